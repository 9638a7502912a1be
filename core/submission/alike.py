"""Checks many submissions of one call, where most differ from an earlier one in nothing but their input.

What such a one has in common with the first of its kind is checked once, which halves the time of a check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import uuid_utils

from taskyard.core.learning.keys import input_size
from taskyard.core.learning.prediction import Predict
from taskyard.core.new_task import Submission
from taskyard.core.payload.encode import encode_input
from taskyard.core.task_types.registry import Registry, TaskType

# Options that texts can be given for, and that mean the same in each submission of a call.
SHARED_OPTIONS = frozenset({"queue", "priority", "created_by"})
MAX_KINDS = 1_000  # remembered in a call

Check = Callable[[Any, Any, Mapping[str, Any]], Submission | str]


class AlikeCheck:
    """Checks the submissions of one call as `check` does, by what it has said of others like them.

    Only types of `registry` are remembered: of others the registry knows too little.
    """

    def __init__(self, check: Check, registry: Registry, input_limit_bytes: int, predict: Predict) -> None:
        self._check = check
        self._registry = registry
        self._input_limit_bytes = input_limit_bytes
        self._predict = predict
        self._firsts: dict[object, tuple[Submission, TaskType]] = {}  # of each kind

    def __call__(self, name: Any, given: Any, options: Mapping[str, Any]) -> Submission | str:
        """Checks one as `check(type, input, options)` does; raises SubmissionError or Unavailable."""
        kind = _kind(name, options)
        if kind is None:
            return self._check(name, given, options)
        known = self._firsts.get(kind)
        if known is None or self._registry.types.get(name) is not known[1]:
            return self._first(kind, name, given, options)
        first, task_type = known
        input_json = encode_input(task_type.input_model, given, self._input_limit_bytes)
        size = input_size(task_type.predict_by, input_json)
        predicted = self._predict(first.queue, first.type, first.created_by, size, first.priority)
        return msgspec.structs.replace(
            first, id=str(uuid_utils.uuid7()), input_json=input_json, size=size, predicted=predicted
        )

    def _first(self, kind: object, name: str, given: Any, options: Mapping[str, Any]) -> Submission | str:
        task_type = self._registry.types.get(name)
        checked = self._check(name, given, options)
        if isinstance(checked, Submission) and task_type is not None and len(self._firsts) < MAX_KINDS:
            self._firsts[kind] = checked, task_type
        return checked


def _kind(name: object, options: Mapping[str, Any]) -> object:
    """Returns what submissions have in common if they differ in nothing but their input; None: they may differ."""
    if type(name) is not str:  # others may compare as they like
        return None
    if not options:
        return name
    for option, value in options.items():
        if option not in SHARED_OPTIONS or type(value) is not str:
            return None
    return name, *options.items()
