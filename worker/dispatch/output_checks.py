"""Checks the outputs that agents report."""

from __future__ import annotations

from typing import Any

import orjson

from taskyard.core.errors import ErrorClass
from taskyard.core.protocol import Failure
from taskyard.core.submission.validate import check_output
from taskyard.core.task_types.schemas import output_schema
from taskyard.core.task_types.validators import validator_of
from taskyard.worker.dispatch.fleet_types import FleetTypes

MAX_REASON_LENGTH = 500  # characters


class OutputChecks:
    """Says why an output is not accepted.

    An agent at Redis checks what its handlers return, and is trusted with that. One that comes with credentials of its
    own may be anybody's program: its outputs are checked against the type's model, if this process has the type in the
    version that the agent declared, and its schema can be used.
    """

    def __init__(self, fleet: FleetTypes, limit_bytes: int) -> None:
        self._fleet = fleet
        self._limit_bytes = limit_bytes
        self._validators: dict[str, Any] = {}  # by type

    def refusal(self, output: str, type_: str, agent_id: str, sender: str | None) -> Failure | None:
        """Returns what is wrong with the output of an attempt as its failure; None if it is accepted.

        `sender` is the agent whose credentials brought it, None if it came by the installation's own.
        """
        problem = check_output(output, self._limit_bytes)
        if problem is not None:
            return Failure(ErrorClass.UNSTORABLE, problem)
        if sender is None or not self._is_known(type_, agent_id):
            return None
        validator = self._validator(type_)
        error = None if validator is None else next(validator.iter_errors(orjson.loads(output)), None)
        if error is None:
            return None
        place = ".".join(["output", *map(str, error.instance_path)])
        return Failure(ErrorClass.INVALID_OUTPUT, f"{place}: {error.message}"[:MAX_REASON_LENGTH])

    def _is_known(self, type_: str, agent_id: str) -> bool:
        known = self._fleet.types.get(type_)
        return known is not None and self._fleet.version_at(agent_id, type_) in (None, known.version)

    def _validator(self, type_: str) -> Any | None:
        if type_ not in self._validators:
            self._validators[type_] = validator_of(output_schema(self._fleet.types[type_].output_model), type_)
        return self._validators[type_]
