"""Filters that operators saved under a name, each change with its audit row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from core.database import Transaction, queries
from core.errors import SubmissionError
from core.inputs import refused
from core.task_filter import TaskFilter
from core.texts import said

NAME_LIMIT = 100  # characters


@dataclass(frozen=True, slots=True)
class SavedFilter:
    """One of them; without a `filter`, `problem` says why this version can't read it."""

    name: str
    filter: TaskFilter | None
    actor: str
    saved_at: datetime
    problem: str = ""


def saved_filters(tx: Transaction) -> list[SavedFilter]:
    """All of them by name."""
    return [_read(*row) for row in tx.rows(queries("saving")["saved_filters"], {})]


def save_filter(tx: Transaction, name: str, only: TaskFilter, actor: str, *, overwrite: bool = False) -> None:
    """Saves a filter; raises SubmissionError for a name that makes no sense, or is taken and not to be overwritten."""
    parameters = {
        "name": _checked(name),
        "filter": orjson.dumps(only.as_json()).decode(),
        "actor": actor,
        "overwrite": overwrite,
    }
    if not tx.rows(queries("saving")["save_filter"], parameters):
        raise refused("name", name, said("a new name: a filter of this one is saved already"))


def delete_filter(tx: Transaction, name: str, actor: str) -> bool:
    """Removes one; False if there is none of this name."""
    return bool(tx.rows(queries("saving")["delete_filter"], {"name": _checked(name), "actor": actor}))


def _checked(name: object) -> str:
    text = name.strip() if isinstance(name, str) else ""
    if not 1 <= len(text) <= NAME_LIMIT or not text.isprintable():
        raise refused("name", name, said("a text of 1 to {limit} printable characters", limit=NAME_LIMIT))
    return text


def _read(name: str, document: Any, actor: str, saved_at: datetime) -> SavedFilter:
    try:
        return SavedFilter(name, TaskFilter.from_json(document), actor, saved_at)
    except SubmissionError as error:
        return SavedFilter(name, None, actor, saved_at, error.said)
