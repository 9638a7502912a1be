"""Configures logging: one event, one line; readable on a terminal, JSON otherwise.

Lines of structlog and the standard library are processed alike: the attempt is added, secrets are removed, floods
are limited.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import IO, Any

import structlog

from taskyard.core.payload.printable_text import visible, visible_lines
from taskyard.worker.logging.context import bound_fields
from taskyard.worker.logging.flood import FloodLimit, Key
from taskyard.worker.logging.redaction import redacted
from taskyard.worker.logging.shipping import LogShipper
from taskyard.worker.logging.stream import LogStream

LIBRARY_LEVEL = logging.WARNING  # of other code
OURS = "taskyard"
_LEVELS = {"critical": logging.CRITICAL, "error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}

Event = MutableMapping[str, Any]
_streams: list[LogStream] = []  # the shipper of this process, once there is one


def configure_logs(level: str, takes_line: Callable[[bytes], bool] = lambda line: False) -> LogShipper:
    """Sets up structlog and the standard library's logging for this process, to stderr.

    `takes_line` is offered other code's log lines, and returns whether it took the line. Returns the shipper that,
    once started, also sends the lines to Redis.
    """
    shipper = LogShipper()
    is_terminal = sys.stderr.isatty()
    renderer = (
        structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback)
        if is_terminal
        else structlog.processors.JSONRenderer(sort_keys=False, default=str)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            FloodLimit(_log_suppressed),
            _with_attempt,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if is_terminal else "iso", utc=not is_terminal),
            structlog.processors.format_exc_info,
            _without_secrets,  # tracebacks among the rest
            shipper,
            *([_printable] if is_terminal else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(log_stream()),  # type: ignore[arg-type]  # it only writes and flushes,
    )
    root = logging.getLogger()
    root.handlers = [_Forward(takes_line)]
    root.setLevel(LIBRARY_LEVEL)
    logging.getLogger(OURS).setLevel(getattr(logging, level.upper()))
    logging.captureWarnings(True)
    return shipper


def log_stream() -> LogStream | IO[str]:
    """Returns the stream of log lines: the original standard error. One for each process."""
    try:
        sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        return sys.stderr  # a test's, in memory
    if _streams and _streams[0].is_for(sys.stderr):
        return _streams[0]
    _streams[:] = [LogStream(sys.stderr)]
    return _streams[0]


def lost_lines() -> int:
    """Returns how many log lines of this process were lost."""
    return sum(stream.lost_lines for stream in _streams)


class _Forward(logging.Handler):
    """Passes the standard library's log records to structlog; a handler's own records go to its task's log."""

    def __init__(self, takes_line: Callable[[bytes], bool]) -> None:
        super().__init__()
        self._takes_line = takes_line
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            is_ours = record.name.partition(".")[0] == OURS
            if not is_ours and self._takes_line(f"{self.format(record)}\n".encode("utf-8", "backslashreplace")):
                return
            fields: dict[str, Any] = {"logger": record.name}
            if record.exc_info:
                fields["exc_info"] = record.exc_info
            level = max((n for n in _LEVELS.values() if n <= record.levelno), default=logging.DEBUG)
            structlog.get_logger().log(level, record.getMessage(), **fields)
        except Exception:
            self.handleError(record)


def _log_suppressed(key: Key, count: int) -> None:
    level, event, _ = key
    structlog.get_logger().log(_LEVELS.get(level, logging.INFO), "log.suppressed", of=event, lines=count)


def _with_attempt(logger: Any, name: str, event: Event) -> Event:
    for field, value in bound_fields().items():
        event.setdefault(field, value)
    return event


def _without_secrets(logger: Any, name: str, event: Event) -> Event:
    for key, value in event.items():
        event[key] = redacted(key, value)
    return event


def _printable(logger: Any, name: str, event: Event) -> Event:
    """Escapes texts of tasks, so that they can't reach the terminal's controls; only tracebacks take several lines."""
    for key, value in event.items():
        if key == "exception":
            event[key] = visible_lines(str(value))
        elif isinstance(value, str):
            event[key] = visible(value)
        elif not isinstance(value, int | float | bool | None):
            event[key] = visible(str(value))
    return event
