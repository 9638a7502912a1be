"""Submits workflows while processes die, and acts on them as operators do: mends, retries, cancels."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskyard.core.errors import IllegalTransition, TaskyardError, Unavailable
from taskyard.core.states import TERMINAL, TaskState
from taskyard.core.submission.workflow_commands import WorkflowCommands
from taskyard.core.workflows.checked import Submitted
from taskyard.worker.devtools.prove import records
from taskyard.worker.devtools.prove.workflows import plan
from taskyard.worker.devtools.prove.workflows.plan import Planned
from taskyard.worker.devtools.prove.world import World

PER_SECOND = 2.0
RETRY_SECONDS = 0.1
GIVE_UP_SECONDS = 120.0  # after the last submission, for what operators still have to do
ACTOR = "prove"
NAME = "proved"
GATES, JOURNAL = "gates", "workflows.jsonl"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A workflow that was accepted, and what was planned for it; `at` is when (monotonic seconds)."""

    planned: Planned
    submitted: Submitted
    at: float

    def task_id(self, key: str) -> str:
        """Returns the id of the task with a key, which may be a member of a group."""
        group, _, at = key.rpartition("/")
        found: Any = self.submitted.tasks[group][int(at)] if group else self.submitted.tasks[key]
        return str(found)


class WorkflowLoad:
    """Submits so many workflows a second, and does to each what its plan says, in two threads until `stop`."""

    def __init__(self, world: World, seed: int, per_second: float = PER_SECOND) -> None:
        self.trouble = ""
        self._pause_seconds = 1 / per_second
        self._world = world
        self._commands = WorkflowCommands(world.database, world.submitter.commands)
        gates = world.folder / GATES
        gates.mkdir(exist_ok=True)
        self._planned = plan.workflows(seed, gates)
        self._to_do: list[Accepted] = []
        self._mutex = threading.Lock()
        self._stop = threading.Event()
        self._give_up_at = float("inf")
        self._submitting = threading.Thread(target=self._submit_all, name="workflows", daemon=True)
        self._operating = threading.Thread(target=self._operate, name="operators", daemon=True)
        self._submitting.start()
        self._operating.start()

    def stop(self) -> None:
        """Submits no more, and returns once all is done to those that were accepted."""
        self._stop.set()
        self._submitting.join()
        self._give_up_at = time.monotonic() + GIVE_UP_SECONDS
        self._operating.join()
        if self._to_do:
            left = ", ".join(one.planned.title for one in self._to_do[:5])
            self.trouble = self.trouble or f"operators did not come to an end with {len(self._to_do)} workflows: {left}"

    # submissions

    def _submit_all(self) -> None:
        for planned in self._planned:
            if self._stop.wait(self._pause_seconds):
                return
            while (submitted := self._submit(planned)) is None and not self._stop.wait(RETRY_SECONDS):
                pass
            if submitted is None:
                return
            accepted = Accepted(planned, submitted, time.monotonic())
            note(self._world, submitted.id, manner=planned.manner, tasks=dict(submitted.tasks))
            with self._mutex:
                self._to_do.append(accepted)

    def _submit(self, planned: Planned) -> Submitted | None:
        """Returns what was stored; None if that is not known: whoever submits it again gets the same."""
        workflows = self._world.submitter.workflows
        title = planned.title
        try:
            if planned.manner == plan.GROUP:
                members = planned.tasks[plan.PAGES]
                return workflows.submit_group(NAME, members, title=title, idempotency_key=title, created_by=ACTOR)
            return workflows.submit(NAME, planned.tasks, title=title, idempotency_key=title, created_by=ACTOR)
        except Unavailable:
            return None
        except TaskyardError as error:
            self.trouble = f"a workflow was refused: {error}"
            return None

    # operators

    def _operate(self) -> None:
        while time.monotonic() < self._give_up_at:
            with self._mutex:
                waiting = list(self._to_do)
            if not waiting and self._stop.is_set() and not self._submitting.is_alive():
                return
            for one in waiting:
                if self._is_done(one):
                    with self._mutex:
                        self._to_do.remove(one)
            time.sleep(RETRY_SECONDS)

    def _is_done(self, one: Accepted) -> bool:
        """Takes the next step; returns False if there is more to do. What was cut off is done again."""
        step = _STEPS.get(one.planned.manner)
        try:
            return step is None or step(self, one)
        except (Unavailable, IllegalTransition):  # not now: somebody has to end or come back first
            return False
        except TaskyardError as error:
            self.trouble = f"an operator was refused: {error}"
            return True

    def _mend(self, one: Accepted) -> bool:
        """Retries what has failed, once its cause is gone."""
        planned, state = one.planned, self._state(one, one.planned.failing)
        if state != TaskState.FAILED:
            return state in TERMINAL  # mended; or cancelled by somebody else
        Path(planned.gate).touch()
        if planned.manner == plan.AS_ONE:
            self._commands.retry(one.submitted.id, actor=ACTOR)
        else:
            scope = plan.SCOPES[planned.manner]
            self._world.submitter.retry(one.task_id(planned.start), actor=ACTOR, scope=scope)
        return False

    def _cancel(self, one: Accepted) -> bool:
        if time.monotonic() < one.at + one.planned.pause_seconds:
            return False
        try:
            self._commands.cancel(one.submitted.id, actor=ACTOR)
        except IllegalTransition:
            return True  # it has ended; whether by an earlier try is not known
        note(self._world, one.submitted.id, is_cancelled=True)
        return True

    def _state(self, one: Accepted, key: str) -> str:
        return str(self._world.submitter.result(one.task_id(key), timeout_seconds=0).state)


def note(world: World, workflow_id: str, **said: object) -> None:
    """Journals something about a workflow."""
    records.append(world.folder / JOURNAL, [workflow_id, said])


def journalled(world: World) -> dict[str, dict[str, Any]]:
    """Returns what was journalled about each workflow that was accepted."""
    found: dict[str, dict[str, Any]] = {}
    for id_, said in _lines(world):
        found.setdefault(id_, {}).update(said)
    return {id_: said for id_, said in found.items() if "manner" in said}  # others are of handlers


def _lines(world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    for id_, said in records.read(world.folder / JOURNAL):
        yield str(id_), said


_STEPS: Mapping[str, Callable[[WorkflowLoad, Accepted], bool]] = {
    **dict.fromkeys(plan.MENDED, WorkflowLoad._mend),
    plan.CANCELLED: WorkflowLoad._cancel,
}
