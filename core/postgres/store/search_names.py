"""Finds tasks by what names them, at once by an index: ids, beginnings and ends of ids, and idempotency keys."""

from __future__ import annotations

import re
import uuid
from typing import Any

from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.database import Transaction, queries

MIN_BEGINNING, SHORT, WHOLE = 8, 12, 32  # hexadecimal digits
MAX_NAMED = 100
_DIGITS = re.compile(r"[0-9a-f-]+")


def find_named(tx: Transaction, only: TaskFilter, asked: dict[str, Any]) -> None:
    """Replaces the search for a text by one for ids in `asked`, if the text names tasks that exist."""
    text = (only.text or "").strip()
    if not text or only.task_id is not None:
        return
    digits = text.lower().replace("-", "") if _DIGITS.fullmatch(text.lower()) else ""
    short = digits if len(digits) == SHORT else None
    rows = tx.rows(queries("search")["named"], {"key": text, "short": short, "limit": MAX_NAMED})
    if rows:
        asked.update(ids=[row[0] for row in rows], pattern=None)
    elif MIN_BEGINNING <= len(digits) < WHOLE:
        low, high = (str(uuid.UUID(digits.ljust(WHOLE, end))) for end in "0f")
        if tx.rows(queries("search")["begun_by"], {"low": low, "high": high})[0][0]:
            behind = str(uuid.UUID(int=min(uuid.UUID(high).int + 1, (1 << 128) - 1)))
            asked["low"] = max(low, asked["low"] or low)
            asked["high"] = min(behind, asked["high"] or behind)
            asked["pattern"] = None


def ids_named(tx: Transaction, only: TaskFilter, limit: int) -> list[str]:
    """Returns at most `limit` ids of the tasks that the filter's text names, the newest first."""
    if only.task_id is not None:
        return [only.task_id]
    asked: dict[str, Any] = {"ids": None, "low": None, "high": None}
    find_named(tx, only, asked)
    if asked["ids"] is not None:
        return sorted(asked["ids"], reverse=True)[:limit]
    if asked["low"] is None:
        return []
    return [row[0] for row in tx.rows(queries("search")["in_range"], {**asked, "limit": limit})]
