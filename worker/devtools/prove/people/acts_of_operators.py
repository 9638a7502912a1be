"""Does at random what operators do to schedules, workflows and their tasks, which are running meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from taskyard.core.access.identity import local_actor
from taskyard.core.edges import CancelScope, RetryScope
from taskyard.core.errors import IllegalTransition, Unavailable
from taskyard.core.postgres.database import Query, queries
from taskyard.core.postgres.store import schedules
from taskyard.core.schedules.due import CatchUp
from taskyard.core.submission import authorized_fires, authorized_schedules
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.workflow_commands import WorkflowCommands
from taskyard.core.task_types.registry import registry
from taskyard.worker.devtools.prove.people import plan
from taskyard.worker.devtools.prove.schedules import INTERVAL_SECONDS, PREFIX, SUBMITS
from taskyard.worker.devtools.prove.workflows import load

if TYPE_CHECKING:
    from taskyard.worker.devtools.prove.people.yard import Yard

TIMES = 8  # that one act does it
BACKFILLED_SECONDS = 20
ACTOR = "people"


@contextmanager
def operate(yard: Yard, act: plan.Act) -> Iterator[None]:
    """Does it some times at once; whatever the state of things does not allow, or a server that is away, is let be.

    Schedules are as they were afterwards.
    """
    random_ = random.Random(act.which)
    for _ in range(TIMES):
        with suppress(IllegalTransition, Unavailable):
            _WAYS[act.way](yard, random_)
    try:
        yield
    finally:
        yard.wait(lambda: _restored(yard), "the schedules as they were")


# schedules


def _pause(yard: Yard, random_: random.Random) -> None:
    with yard.database.transaction() as tx:
        is_enabled = random_.random() < 0.5
        authorized_schedules.switch(tx, local_actor(), _schedule(random_), is_enabled=is_enabled, reason="by hand")


def _edit(yard: Yard, random_: random.Random) -> None:
    given = {
        "interval_seconds": random_.choice((1.0, 2.0, 3.5)),
        "jitter_seconds": random_.choice((0.0, 0.5)),
        "catch_up": random_.choice(tuple(CatchUp)).value,
    }
    with yard.database.transaction() as tx:
        authorized_schedules.change(tx, _acting(yard), _schedule(random_), **given)


def _run(yard: Yard, random_: random.Random) -> None:
    with yard.database.transaction() as tx:
        ran = authorized_fires.run(tx, _acting(yard), _schedule(random_))
    ran.wake(_acting(yard))


def _backfill(yard: Yard, random_: random.Random) -> None:
    with yard.database.transaction() as tx:
        until = schedules.now(tx)
        since = until - timedelta(seconds=BACKFILLED_SECONDS)
        filled = authorized_fires.backfill(tx, _acting(yard), _schedule(random_), since, until)
    filled.wake(_acting(yard))


def _restored(yard: Yard) -> bool:
    with yard.database.transaction() as tx:
        for number in range(len(SUBMITS)):
            name = f"{PREFIX}{number}"
            given = {"interval_seconds": INTERVAL_SECONDS, "jitter_seconds": 0.0, "catch_up": CatchUp.ALL.value}
            authorized_schedules.change(tx, _acting(yard), name, **given)
            schedules.resume(tx, name, ACTOR)
    return True


def _schedule(random_: random.Random) -> str:
    return f"{PREFIX}{random_.randrange(len(SUBMITS))}"


# workflows


def _cancel_workflow(yard: Yard, random_: random.Random) -> None:
    workflow_id = _some(yard, random_, queries("prove")["recent_workflows"])
    if workflow_id is not None:
        _commands(yard).cancel(workflow_id, actor=ACTOR, reason="by hand")


def _retry_workflow(yard: Yard, random_: random.Random) -> None:
    workflow_id = _some(yard, random_, queries("prove")["recent_workflows"])
    if workflow_id is not None:
        _commands(yard).retry(workflow_id, actor=ACTOR, reason="by hand")


def _cancel_task(yard: Yard, random_: random.Random) -> None:
    task_id = _some(yard, random_, queries("prove")["open_nodes"])
    if task_id is None:
        return
    if random_.choice(tuple(CancelScope)) is CancelScope.TREE:
        yard.submitter.commands.cancel_tree(task_id, actor=ACTOR, reason="by hand")
    else:
        yard.submitter.cancel(task_id, actor=ACTOR, reason="by hand")


def _retry_task(yard: Yard, random_: random.Random) -> None:
    task_id = _some(yard, random_, queries("prove")["ended_nodes"])
    if task_id is not None:
        scope = random_.choice(tuple(RetryScope))
        yard.submitter.retry(task_id, actor=ACTOR, reason="by hand", scope=scope.value)


def _some(yard: Yard, random_: random.Random, statement: Query) -> str | None:
    """Returns one of the rows that a statement finds, and journals that its workflow is not left to its plan."""
    with yard.database.transaction() as tx:
        rows = tx.rows(statement, {})
    if not rows:
        return None
    id_, workflow_id = random_.choice(rows)
    load.note(yard, workflow_id, is_disturbed=True)
    return str(id_)


def _commands(yard: Yard) -> WorkflowCommands:
    return WorkflowCommands(yard.database, yard.submitter.commands)


def _acting(yard: Yard) -> Authorized:
    return Authorized(yard.submitter, registry, yard.database, local_actor())


_WAYS: Mapping[str, Callable[[Yard, random.Random], None]] = {
    "pause schedules": _pause,
    "edit schedules": _edit,
    "run schedules": _run,
    "backfill schedules": _backfill,
    "cancel workflows": _cancel_workflow,
    "retry workflows": _retry_workflow,
    "cancel tasks": _cancel_task,
    "retry tasks": _retry_task,
}
