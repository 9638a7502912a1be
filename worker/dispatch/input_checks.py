"""Checks inputs that are made of outputs: by the models of this process, or the schemas that agents published."""

from __future__ import annotations

import orjson

from taskyard.core.errors import SubmissionError, UnknownTaskType
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.encode import json_problem
from taskyard.core.task_types.published import PublishedType
from taskyard.worker.dispatch.fleet_types import FleetTypes


class InputChecks:
    """Says what is wrong with an input. Of a type that nobody declared nothing is known: its agent will say."""

    def __init__(self, fleet: FleetTypes, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._fleet = fleet

    def problem(self, type_: str, text: str) -> SubmissionError | None:
        """Returns the first mismatch between the JSON of an input and its type; None if it fits."""
        try:
            own = self._fleet.types.get(type_)
            if own is not None:
                return json_problem(own.input_model, text)
            found = self._of_agents(type_)
            problems = [] if found is None else found.check(orjson.loads(text))
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # of a validator in a model, which may even exit
            lines = str(error).strip().splitlines() or [""]
            return refused("input", text, f"a value that its type can check: {type(error).__name__}: {lines[0]:.500}")
        return problems[0] if problems else None

    def _of_agents(self, type_: str) -> PublishedType | None:
        try:
            return self._fleet.published(type_)
        except UnknownTaskType:
            return None
