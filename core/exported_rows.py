"""Writes rows of the audit log and of tasks' logs as the bytes of an export: CSV, JSON lines, text (pure)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

import orjson

from taskyard.core.csv_injection import neutral

if TYPE_CHECKING:
    from taskyard.core.models import LogEntry
    from taskyard.core.postgres.store.audit import AuditEntry

BYTE_ORDER_MARK = "\ufeff".encode()  # without it spreadsheets read UTF-8 as the machine's legacy encoding
COLUMNS = ("at", "actor", "event", "task_id", "agent_id", "from_state", "to_state", "attempt", "reason", "detail")


def csv_head() -> bytes:
    """Returns what a CSV file of events begins with: a byte order mark and the names of the columns."""
    return BYTE_ORDER_MARK + _csv_lines_of([COLUMNS])


def csv_lines(entries: Iterable[AuditEntry]) -> bytes:
    """Returns events as lines of CSV; cells that look like formulas become text."""
    return _csv_lines_of(
        [
            entry.at.isoformat(),
            entry.actor,
            entry.event,
            entry.task_id,
            entry.agent_id,
            entry.from_state,
            entry.to_state,
            entry.attempt,
            (entry.detail or {}).get("reason"),
            None if entry.detail is None else orjson.dumps(entry.detail).decode(),
        ]
        for entry in entries
    )


def json_lines(entries: Iterable[AuditEntry]) -> bytes:
    """Returns events as JSON, one on each line."""
    return b"".join(orjson.dumps(entry.as_json(), option=orjson.OPT_APPEND_NEWLINE) for entry in entries)


def log_lines(entries: Iterable[LogEntry]) -> bytes:
    """Returns entries of a task's log as lines of text: time, attempt, level and message."""
    return b"".join(
        f"{entry.at.isoformat()} #{entry.attempt} {entry.level}: {entry.message}\n".encode("utf-8", "backslashreplace")
        for entry in entries
    )


def _csv_lines_of(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([neutral(cell) for cell in row] for row in rows)
    return text.getvalue().encode()
