"""Implements operators' commands to agents other than holds (core.postgres.store.holds)."""

from __future__ import annotations

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Database, queries
from taskyard.core.redis.connection import reaching_redis
from taskyard.core.redis.ports import SubmitterPort


def restart_agent(database: Database, broker: SubmitterPort, name: str, actor: str, reason: str) -> list[str]:
    """Asks every present boot of an agent to restart, with an audit row; returns their ids.

    The agent drains as on SIGTERM: running tasks finish within the grace period, the rest goes back without using up
    an attempt. Then its pool replaces the process. Raises SubmissionError if no boot of that name is present, and
    Unavailable if a server is away; nothing is recorded then.
    """
    with database.transaction() as tx:
        rows = tx.rows(queries("agents")["restart_agent"], {"name": name, "actor": actor, "reason": reason})
        if not rows:
            raise refused("agent", name, msg("the name of an agent that is running"))
        ids = [row[0] for row in rows]
        with reaching_redis():
            for agent_id in ids:
                broker.send_restart(agent_id)
    return ids
