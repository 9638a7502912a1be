"""Implements operators' commands to pools of agents: how many agents of a kind run."""

from __future__ import annotations

from taskyard.core.i18n import listed, msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import pool_sizes
from taskyard.core.redis.pools import KindReport, Pools
from taskyard.core.scheduling.pool_sizes import MAX_AGENTS


def scale_pool(tx: Transaction, pools: Pools, kind: str, count: int, actor: str, reason: str) -> bool:
    """Says how many agents of a kind should run, with an audit row; returns False if that is so already.

    The number wins over the one in the pool file, through restarts, until `reset_pool`. Raises SubmissionError for a
    kind that no pool has, or several have, or whose pool goes by its file alone, and Unavailable.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MAX_AGENTS:
        raise refused("count", count, msg("a whole number from {least} to {most}", least=0, most=MAX_AGENTS))
    found = _the_pool(pools, kind)
    if count > found.most:
        expected = msg("at most {most}: its pool file gives it one port to listen on", most=found.most)
        raise refused("count", count, expected)
    known = pool_sizes.pool_sizes(tx).get(kind)
    if known is None and found.configured == count:
        return False
    return pool_sizes.scale(tx, kind, count, known.count if known else found.configured, actor, reason)


def reset_pool(tx: Transaction, kind: str, actor: str, reason: str) -> bool:
    """Lets the pool file say again how many agents of a kind run; returns False if it does already."""
    return pool_sizes.reset(tx, kind, actor, reason)


def _the_pool(pools: Pools, kind: str) -> KindReport:
    reports = pools.reports()
    known = sorted({one.kind for report in reports for one in report.kinds})
    found = [(report.host, one) for report in reports for one in report.kinds if one.kind == kind]
    if not found:
        names = listed(known) if known else msg("none runs now")
        raise refused("kind", kind, msg("a kind of agents of a pool that runs now: {names}", names=names))
    if any(one.is_fixed for _host, one in found):
        fixed = msg("a kind whose pool does not go by its file alone: TASKYARD_AGENT_SUFFIX is set there")
        raise refused("kind", kind, fixed)
    if len(found) > 1:
        hosts, count = listed(sorted({host for host, _one in found})), len(found)
        expected = msg("a kind that only one pool has: {count} have this one, on {hosts}", count=count, hosts=hosts)
        raise refused("kind", kind, expected)
    return found[0][1]
