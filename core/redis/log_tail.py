"""Keeps the last log lines of all workers and agents on all hosts in one capped stream.

Each entry is one line as JSON, from which its writer removed secrets (worker.logging.setup). The stream expires a
day after the last line. Lines are lost while Redis is away; the processes' own output is the complete log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.redis.connection import Client, reaching_redis
from taskyard.core.redis.keys import Keys

LINES_KEPT = 2_000  # about so many
MAX_LINE_BYTES = 4_096
TTL_SECONDS = 86_400
LEVELS = ("debug", "info", "warning", "error", "critical")
_VALUE_LIMITS = (2_500, 800, 200)  # characters of a value in a line that is too long: tried in this order
_LINE = b"l"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A log line. `at` is in epoch seconds by the writer's clock; `process` is for example "agent coder-1"."""

    at: float
    level: str
    event: str
    process: str
    host: str
    fields: dict[str, Any]

    def encoded(self) -> bytes:
        """Returns JSON of at most MAX_LINE_BYTES: a longer line has its values cut, or left out if that is not
        enough.
        """
        try:
            text = orjson.dumps(self, default=str)
            if len(text) <= MAX_LINE_BYTES:
                return text
        except TypeError:
            pass  # a number of more than 64 bits, or text that is no Unicode: as text that can be read
        for limit in _VALUE_LIMITS:
            fields = {_cut(name, limit): _cut(value, limit) for name, value in self.fields.items()}
            text = orjson.dumps(replace(self, event=_cut(self.event, limit), fields=fields))
            if len(text) <= MAX_LINE_BYTES:
                return text
        names = _cut(", ".join(self.fields), _VALUE_LIMITS[-1])
        return orjson.dumps(replace(self, event=_cut(self.event, _VALUE_LIMITS[-1]), fields={"left_out": names}))


class LogTail:
    """Writes and reads the lines of one installation. Every method raises Unavailable if Redis is away."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._redis = client
        self._key = keys.log

    def add(self, lines: Sequence[bytes]) -> None:
        """Adds encoded lines, in one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        for line in lines:
            pipeline.xadd(self._key, {_LINE: line}, maxlen=LINES_KEPT, approximate=True)
        pipeline.expire(self._key, TTL_SECONDS)
        with reaching_redis():
            pipeline.execute()

    def recent_lines(self, limit: int = 200, level: str = "debug", text: str = "") -> list[LogLine]:
        """Returns the newest lines of at least this level that contain a text, in any case; newest first.

        Raises SubmissionError for an unknown level.
        """
        if level not in LEVELS:
            raise refused("level", level, msg("one of {names}", names=", ".join(LEVELS)))
        wanted, least = text.casefold(), LEVELS.index(level)
        with reaching_redis():
            entries = self._redis.xrevrange(self._key)
        lines = [LogLine(**orjson.loads(fields[_LINE])) for _, fields in entries]
        found = [line for line in lines if _rank(line.level) >= least and _contains(line, wanted)]
        return sorted(found, key=lambda line: line.at, reverse=True)[:limit]


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def _contains(line: LogLine, wanted: str) -> bool:
    if not wanted:
        return True
    values = (line.event, line.process, line.host, *(f"{name}={value}" for name, value in line.fields.items()))
    return any(wanted in value.casefold() for value in values)


def _cut(value: Any, limit: int) -> str:
    text = str(value).encode("utf-8", "backslashreplace").decode()
    # the end of a traceback matters most
    return text if len(text) <= limit else f"{text[: limit // 2]} … {text[-limit // 2 :]}"
