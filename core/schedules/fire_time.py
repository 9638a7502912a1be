"""Fills in the fire time where what a schedule submits asks for it (pure).

In the input of a task: `{"$fire_time": true}` is the fire time in ISO 8601, `{"$fire_time": "%Y-%m-%d"}` the same in a
format, both in the schedule's time zone. `{"$literal": …}` around an object with such a key passes that through, as it
does for references.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import field_of, refused
from taskyard.core.payload.storable_json import MAX_DEPTH
from taskyard.core.workflows.making import LITERAL

FIRE_TIME = "$fire_time"
MAX_FORMAT_LENGTH = 100
_FORMAT = re.compile(r"(?:[^%]|%[YmdHMSyjGVuzZ%])+")
_SHAPE = msg("true, or a format of %Y %y %m %d %H %M %S %j %G %V %u %z %Z, alone in its object")


class FireTime:
    """A fire time in the zone of its schedule, which fills the places of inputs that ask for it."""

    def __init__(self, fire_time: datetime, time_zone: str) -> None:
        self._local = fire_time.astimezone(ZoneInfo(time_zone))

    def filled(self, value: Any, field: str, *, keeps_literals: bool = False) -> Any:
        """Returns an input with the fire time in its places; raises SubmissionError for what is no format.

        `keeps_literals`: somebody else takes the content of `$literal` out later.
        """
        return self._filled(value, (field,), keeps_literals)

    def filled_tasks(self, tasks: Mapping[str, Any], field: str = "what.tasks") -> dict[str, Any]:
        """Returns the tasks of a workflow, or of a file, with the fire time in their inputs; raises SubmissionError."""
        return {
            key: [self._task(one, (field, key, at)) for at, one in enumerate(given)]
            if isinstance(given, list | tuple)
            else self._task(given, (field, key))
            for key, given in tasks.items()
        }

    def _task(self, given: Any, path: tuple[Any, ...]) -> Any:
        if not isinstance(given, Mapping) or not asks_for_it(given.get("input")):
            return given
        return {**given, "input": self._filled(given["input"], (*path, "input"), keeps_literals=True)}

    def _filled(self, value: Any, path: tuple[Any, ...], keeps_literals: bool) -> Any:
        if len(path) > MAX_DEPTH:
            return value  # too deep to be stored
        if isinstance(value, list | tuple):
            return [self._filled(part, (*path, at), keeps_literals) for at, part in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if FIRE_TIME in value:
            return self._written(value, path)
        if LITERAL in value:
            return value if keeps_literals or not _is_marked(value[LITERAL]) else value[LITERAL]
        return {key: self._filled(part, (*path, key), keeps_literals) for key, part in value.items()}

    def _written(self, value: dict[Any, Any], path: tuple[Any, ...]) -> str:
        wanted = value[FIRE_TIME]
        if len(value) == 1 and wanted is True:
            return self._local.isoformat()
        is_format = isinstance(wanted, str) and len(wanted) <= MAX_FORMAT_LENGTH and _FORMAT.fullmatch(wanted)
        if len(value) > 1 or not is_format:
            raise refused(field_of([*path, FIRE_TIME]), wanted, _SHAPE)
        return self._local.strftime(wanted)


def asks_for_it(value: object) -> bool:
    """Returns True if a part of an input is a place of the fire time, or such an object that is meant literally."""
    return any(_is_marked(part) for part in _parts(value))


def _is_marked(value: object) -> bool:
    return isinstance(value, dict) and FIRE_TIME in value


def _parts(root: object) -> Iterator[object]:
    unvisited, visited = [root], set[int]()  # a list may hold itself; that is refused later
    while unvisited:
        value = unvisited.pop()
        yield value
        if isinstance(value, dict | list | tuple) and id(value) not in visited:
            visited.add(id(value))
            unvisited.extend(value.values() if isinstance(value, dict) else value)
