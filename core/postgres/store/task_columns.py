"""The columns of a task in a SELECT: all that Task has, by their names, from the one list that Task reads by.

A statement says `<task>` for all of them, or names what it gives instead of some: `<task: NULL AS input>`.
"""

from __future__ import annotations

import re
from functools import cache

from taskyard.core.models import TASK_COLUMNS

_PLACE = re.compile(r"<task(?:: ([^>]*))?>")


@cache
def with_columns(statement: str) -> str:
    """Returns a statement with a task's columns in their place; raises ValueError for a name that no column has."""
    return _PLACE.sub(lambda place: _columns(place[1] or ""), statement)


def _columns(instead: str) -> str:
    given = {part.rpartition(" AS ")[2]: part for part in instead.split(", ") if part}
    if unknown := given.keys() - set(TASK_COLUMNS):
        raise ValueError(f"no columns of a task: {', '.join(sorted(unknown))}")
    return ", ".join(given.get(name, name) for name in TASK_COLUMNS)
