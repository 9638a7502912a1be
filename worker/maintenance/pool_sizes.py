"""Copies the wanted sizes of pools from PostgreSQL to this worker's pool, and as the leader to the others."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from taskyard.core.errors import Busy, Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import pool_sizes
from taskyard.core.redis.pools import Pools
from taskyard.worker.agents.pool_sizing import Sizing

log = structlog.get_logger(__name__)


class PoolSizes:
    """The duty that does it every second; a server that is away leaves pools as large as they are."""

    def __init__(self, database: Database, pools: Pools, sizing: Sizing, is_leading: Callable[[], bool]) -> None:
        self._database, self._pools, self._sizing, self._is_leading = database, pools, sizing, is_leading

    def copy(self) -> None:
        """Reads the sizes once, and hands them on."""
        try:
            with self._database.transaction() as tx:
                sizes = {kind: size.count for kind, size in pool_sizes.pool_sizes(tx).items()}
            self._sizing.sizes = sizes
            if self._is_leading():
                self._pools.publish(sizes)
        except (Unavailable, Busy) as error:  # the users of the servers report it
            log.debug("pool_sizes.waiting", reason=str(error))
