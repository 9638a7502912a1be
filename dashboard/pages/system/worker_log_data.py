"""Reads the last log lines of workers and agents."""

from __future__ import annotations

from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.redis.log_tail import LogLine, LogTail
from taskyard.core.submission.open_servers import Servers
from taskyard.dashboard.data.readings import seen

LINES_SHOWN = 200


@seen(needs=Permission.PAYLOAD_READ, is_whole=True)
def lines(servers: Servers, _sight: Actor, level: str, text: str) -> list[LogLine]:
    """Returns at most LINES_SHOWN lines of at least a level that contain a text, newest first."""
    log = LogTail(servers.broker.redis, servers.broker.keys)
    return log.recent_lines(LINES_SHOWN, level, text)
