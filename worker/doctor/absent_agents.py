"""Checks whether the agents that pools keep running are online."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from taskyard.core.config import Settings
from taskyard.core.embedded.servers import running_urls
from taskyard.core.errors import Unavailable
from taskyard.core.health.check import Check, fine, warning
from taskyard.core.i18n import listed
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.own_agent import own_name
from taskyard.core.redis.pools import PoolReport, Pools

SLOW_START_SECONDS = 30.0  # a start that takes longer is worth a look
ADVICE = "correct what it says; the log of that host has more: lines agent.failed"


def absent_agents_checks(settings: Settings) -> Iterator[Check]:
    """Yields a warning for each kind of agents that lacks some; nothing where Redis or its pools can't be read."""
    url = settings.redis_url or running_urls(settings.data_dir)[1]
    if url is None:
        return
    try:
        if own_name(url, settings.namespace) is not None:  # the user of one agent, who may not read pools
            return
        with connect_redis(url) as client:
            reports = Pools(client, Keys(settings.namespace)).reports()
    except Unavailable:  # as the check of Redis says
        return
    yield from judge_absent(reports)


def judge_absent(reports: Sequence[PoolReport]) -> Iterator[Check]:
    """Yields what pools say of their agents (pure)."""
    online = 0
    for report in reports:
        for kind in report.kinds:
            online += kind.running
            if told := [one for one in kind.absent if one.failures or one.seconds > SLOW_START_SECONDS]:
                texts = listed(one.text for one in told)
                found = f"{kind.running} of {kind.wanted} wanted agents of kind {kind.kind} run: {texts}"
                yield warning(f"agents on {report.host}", found, ADVICE)
    if online:
        yield fine("agents of pools", f"{online} online")
