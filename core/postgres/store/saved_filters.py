"""Stores operators' named filters, each change with its audit row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from taskyard.core.errors import SubmissionError
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Transaction, queries

MAX_NAME_LENGTH = 100  # characters


@dataclass(frozen=True, slots=True)
class SavedFilter:
    """A saved filter; without a `filter`, `problem` says why this version can't read it."""

    name: str
    filter: TaskFilter | None
    actor: str
    saved_at: datetime
    problem: str = ""


def saved_filters(tx: Transaction) -> list[SavedFilter]:
    """Returns all saved filters by name."""
    return [_read(*row) for row in tx.rows(queries("saved_filters")["saved_filters"], {})]


def save_filter(tx: Transaction, name: str, only: TaskFilter, actor: str, *, overwrite: bool = False) -> None:
    """Saves a filter; raises SubmissionError for an invalid name, or one that is taken and not to be overwritten."""
    parameters = {
        "name": _checked(name),
        "filter": orjson.dumps(only.as_json()).decode(),
        "actor": actor,
        "overwrite": overwrite,
    }
    if not tx.rows(queries("saved_filters")["save_filter"], parameters):
        raise refused("name", name, msg("a new name: a filter with this name exists already"))


def delete_filter(tx: Transaction, name: str, actor: str) -> bool:
    """Deletes a saved filter; returns False if none has this name."""
    return bool(tx.rows(queries("saved_filters")["delete_filter"], {"name": _checked(name), "actor": actor}))


def _checked(name: object) -> str:
    text = name.strip() if isinstance(name, str) else ""
    if not 1 <= len(text) <= MAX_NAME_LENGTH or not text.isprintable():
        raise refused("name", name, msg("a text of 1 to {limit} printable characters", limit=MAX_NAME_LENGTH))
    return text


def _read(name: str, document: Any, actor: str, saved_at: datetime) -> SavedFilter:
    try:
        return SavedFilter(name, TaskFilter.from_json(document), actor, saved_at)
    except SubmissionError as error:
        return SavedFilter(name, None, actor, saved_at, error.text)
