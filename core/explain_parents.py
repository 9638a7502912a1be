"""Says which parents a task waits for, and which keep it from ever starting (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.edges import Condition
from taskyard.core.explanation import Explanation
from taskyard.core.i18n import N_, msg
from taskyard.core.models import Task
from taskyard.core.postgres.store.tasks import Parent, Stopper
from taskyard.core.states import TaskState

_WAITS = {
    Condition.COMPLETED: N_("waits for {type} {id}, which is {state}"),
    Condition.ENDED: N_("waits for the end of {type} {id}, which is {state}"),
    Condition.FAILED: N_("waits for {type} {id} to fail, which is {state}"),
}


def waits_for(parent: Parent) -> str:
    """Returns what a blocked task waits for."""
    template = _WAITS[Condition(parent.condition)]
    return msg(template, type=parent.type, id=parent.id, state=TaskState(parent.state))


def never_starts(task: Task, stoppers: Sequence[Stopper]) -> Explanation:
    """Returns why a cancelled task can't start: its parents that ended otherwise than it waits for."""
    held = [_stopped_by(task, stopper, len(stoppers) > 1) for stopper in stoppers]
    summary = msg("{first} (and {count} more)", first=held[0], count=len(held) - 1) if len(held) > 1 else held[0]
    return Explanation(task.id, task.state, summary, held)


def _stopped_by(task: Task, stopper: Stopper, is_one_of_many: bool) -> str:
    if stopper.state is None:
        return msg("can't start: task {id}, which it depends on, no longer exists: submit it again", id=stopper.id)
    state = TaskState(stopper.state)
    if state is TaskState.COMPLETED:
        return msg("not needed: {type} {id} did not fail, it is {state}", type=stopper.type, id=stopper.id, state=state)
    start, scope = (task.id, "chain") if stopper.is_stopped or is_one_of_many else (stopper.id, "downstream")
    return msg(
        "can't start: it depends on {type} {id}, which is {state}; free it by: taskyard retry {start} --scope {scope}",
        type=stopper.type,
        id=stopper.id,
        state=state,
        start=start,
        scope=scope,
    )
