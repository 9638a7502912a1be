"""Makes due inputs of outputs within a tick's transaction, in slices, and remembers whether there are more.

A due template is found by its row: nothing is lost with this process, and the next leader's first sweep looks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from taskyard.core.errors import ErrorClass
from taskyard.core.models import Waiting
from taskyard.core.postgres.database import DriverTransaction
from taskyard.core.postgres.store import workflow_inputs
from taskyard.core.postgres.store.workflow_inputs import DueInput, Part
from taskyard.core.scheduling.retry import fingerprint
from taskyard.core.workflows.inputs import Making, NoInput
from taskyard.worker.dispatch.decisions import error_json
from taskyard.worker.dispatch.input_checks import InputChecks
from taskyard.worker.dispatch.savepoints import each, reasons

BLOCKED_PAUSE_SECONDS = 0.25  # after a slice that could not be made, for a locked table


class Made(NamedTuple):
    """What became of a slice: tasks that wait for an agent, failed ones, and whether there may be more due."""

    waiting: list[Waiting]
    failed: list[str]
    has_more: bool


class DueInputs:
    """Says whether a tick should look for due inputs. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._due: float | None = 0.0  # a new term looks

    def next_due(self) -> float | None:
        """Returns when to look again; None: not before something becomes due."""
        return self._due

    def take(self, now: float) -> bool:
        """Returns True if it is time to look."""
        if self._due is None or now < self._due:
            return False
        self._due = None
        return True

    def note(self, now: float, *, has_more: bool, was_left: bool) -> None:
        """Stores whether a tick left something to do."""
        if has_more or was_left:
            self._due = now + (BLOCKED_PAUSE_SECONDS if was_left else 0.0)


def make(tx: DriverTransaction, checks: InputChecks) -> Made:
    """Makes a slice of due inputs and stores them; those of which none can be made fail as `invalid_input`."""
    found = workflow_inputs.due(tx)
    if not found.inputs:
        return Made([], [], found.is_full)
    failures: dict[str, str] = {}
    begun = _begun(tx, found.inputs, failures)
    texts = _texts(tx, begun, checks, failures)
    waiting: list[Waiting] = []

    def store(items: Sequence[tuple[str, str]]) -> None:
        waiting.extend(workflow_inputs.store(tx, items))

    refused = each(tx, list(texts.items()), store) if texts else []
    failures |= dict(zip((id_ for id_, _ in refused), reasons(tx, len(refused)), strict=True))
    types = {one.id: one.type for one in found.inputs}
    errors = [(id_, _error(types[id_], reason)) for id_, reason in sorted(failures.items())]
    return Made(waiting, workflow_inputs.fail(tx, errors) if errors else [], found.is_full)


def _begun(tx: DriverTransaction, due: Sequence[DueInput], failures: dict[str, str]) -> dict[str, tuple[str, Making]]:
    parents = workflow_inputs.parents(tx, [one.id for one in due])
    begun = {}
    for one in due:
        try:
            begun[one.id] = one.type, Making.begin(one.template, parents[one.id])
        except NoInput as error:
            failures[one.id] = str(error)
    return begun


def _texts(
    tx: DriverTransaction, begun: dict[str, tuple[str, Making]], checks: InputChecks, failures: dict[str, str]
) -> dict[str, str]:
    """Returns the inputs as JSON by task. Sizes are known before anything is loaded."""
    wanted = {one: None for _, making in begun.values() for place in making.wanted.values() for one in place}
    sizes = dict(zip(wanted, workflow_inputs.sizes(tx, [Part(*one) for one in wanted]), strict=True))
    fitting: dict[str, tuple[str, Making]] = {}
    for id_, (type_, making) in begun.items():
        try:
            making.check_sizes(sizes, checks.limit_bytes)
            fitting[id_] = type_, making
        except NoInput as error:
            failures[id_] = str(error)
    needed = list({one: None for _, making in fitting.values() for place in making.wanted.values() for one in place})
    parts = dict(zip(needed, workflow_inputs.parts(tx, [Part(*one) for one in needed]), strict=True)) if needed else {}
    texts: dict[str, str] = {}
    for id_, (type_, making) in fitting.items():
        try:
            text = making.made(parts, checks.limit_bytes)
            problem = checks.problem(type_, text)
            if problem is not None:
                raise making.problem(problem)
            texts[id_] = text
        except NoInput as error:
            failures[id_] = str(error)
    return texts


def _error(type_: str, reason: str) -> str:
    mark = fingerprint(type_, ErrorClass.INVALID_INPUT, reason, "")
    return error_json(ErrorClass.INVALID_INPUT, reason, None, mark)
