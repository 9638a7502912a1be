"""Schedules of workflows: each fire time submits one workflow, outside the tick, or says why not."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import ROLES, Role
from taskyard.core.errors import NotPermitted, SubmissionError
from taskyard.core.i18n import TranslatableText
from taskyard.core.postgres.store import schedule_fires, schedules, workflows
from taskyard.core.submission import authorized_fires, authorized_schedules
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.schedule_firing import fire_due
from taskyard.core.submission.scheduled_workflows import ScheduledWorkflows
from taskyard.core.submission.validate import Limits
from tests.engine import Engine
from tests.gates import Gate
from tests.integration.test_schedules import Yard, hours_ago
from tests.servers import wait_until

TASKS = {
    "first": {"type": "demo.echo", "input": {"n": 1}},
    "second": {"type": "demo.echo", "input": {"n": {"$ref": "first", "at": "/n"}}},
}
ECHOES = {"kind": "workflow", "name": "echoes", "tasks": TASKS}
GATES = {"name": "gates", "tasks": {"pages": [{"type": "demo.gate", "input": {"n": n}} for n in range(3)]}}


class WorkflowYard(Yard):
    """An engine whose leader's duty the test calls itself."""

    def __init__(self, engine: Engine, actor: Actor | None = None) -> None:
        super().__init__(engine, actor)
        self.duty = ScheduledWorkflows(engine.submitter, engine.registry, engine.database)

    def submit_due(self) -> int:
        return self.duty.run(lambda: True)

    def submitted(self, name: str, count: int) -> bool:
        """Submits what is due; returns True once a schedule has submitted so many."""
        self.submit_due()
        return self.outcomes(name).count("submitted") >= count

    def workflow_ids(self, name: str) -> list[str]:
        """The workflows that a schedule has really submitted."""
        with self.engine.database.transaction() as tx:
            rows = tx.rows(
                "SELECT id::text FROM workflows WHERE created_by = %(by)s ORDER BY id", {"by": f"schedule:{name}"}
            )
        return [row[0] for row in rows]

    def state(self, workflow_id: str) -> str | None:
        with self.engine.database.transaction() as tx:
            return workflows.get(tx, workflow_id).state


@pytest.fixture
def yard(engine: Engine) -> WorkflowYard:
    return WorkflowYard(engine)


@pytest.fixture
def now(engine: Engine) -> datetime:
    with engine.database.transaction() as tx:
        return schedules.now(tx)


def past(yard: Yard, now: datetime, count: int, **given: Any) -> None:
    """A schedule whose last fire times are due, and no others ever."""
    with yard.engine.database.transaction() as tx:
        authorized_schedules.create(
            tx, yard.acting, "past", interval_seconds=1, starts_at=now - timedelta(hours=1), **given
        )
        tx.rows("UPDATE schedules SET ends_at = %(now)s WHERE name = 'past'", {"now": now})
    yard.was_due("past", now - timedelta(seconds=count - 0.5))


def test_each_fire_time_submits_one_workflow(yard: WorkflowYard) -> None:
    yard.engine.worker()
    yard.engine.agent()
    yard.create("often", what=ECHOES, interval_seconds=1)
    wait_until(lambda: yard.submitted("often", 3))
    yard.switch("often", is_enabled=False)
    yard.submit_due()
    fires = yard.fires("often")
    assert {fire.outcome for fire in fires} == {"submitted"}
    assert yard.workflow_ids("often") == sorted(str(fire.workflow_id) for fire in fires)
    wait_until(lambda: all(yard.state(id_) == "completed" for id_ in yard.workflow_ids("often")))
    last = yard.fires("often")[-1]
    assert (last.state, last.task_id) == ("completed", None)
    assert last.run_seconds is not None
    with yard.engine.database.transaction() as tx:
        known = schedules.get(tx, "often")
        [(key,)] = tx.rows("SELECT idempotency_key FROM workflows WHERE id = %(id)s", {"id": last.workflow_id})
        by = {row[0] for row in tx.rows("SELECT created_by FROM tasks", {})}
    assert key == known.key_of(last.fire_time)
    assert by == {"schedule:often"}


def test_several_submitters_and_deaths_submit_each_once(
    yard: WorkflowYard, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    past(yard, now, 20, what=ECHOES, catch_up="all", catch_up_limit=20)
    yard.engine.worker()
    wait_until(lambda: len(yard.fires("past")) == 20)
    assert set(yard.outcomes("past")) == {"due"}

    def dies(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("taskyard.core.submission.scheduled_workflows.schedule_fires.note", dies)
        with pytest.raises(RuntimeError):
            yard.submit_due()
    assert yard.workflow_ids("past") == []
    others = [threading.Thread(target=WorkflowYard(yard.engine).submit_due) for _ in range(4)]
    for one in others:
        one.start()
    for one in others:
        one.join()
    yard.submit_due()
    assert set(yard.outcomes("past")) == {"submitted"}
    assert yard.workflow_ids("past") == sorted(str(fire.workflow_id) for fire in yard.fires("past"))
    yard.was_due("past", now - timedelta(seconds=15))
    wait_until(lambda: due_is_over(yard, "past"))
    assert yard.submit_due() == 0, "their rows keep fire times from being fired again"
    assert len(yard.workflow_ids("past")) == 20


def due_is_over(yard: Yard, name: str) -> bool:
    with yard.engine.database.transaction() as tx:
        return schedules.get(tx, name).next_fire_at is None


def test_skip_looks_at_the_workflow(yard: WorkflowYard, gate: Gate) -> None:
    yard.engine.worker()
    yard.engine.agent(max_concurrency=10)
    yard.create("skipping", what=GATES, interval_seconds=1, overlap="skip")
    wait_until(lambda: yard.submitted("skipping", 1) and len(yard.fires("skipping")) >= 3)
    assert yard.outcomes("skipping")[:3] == ["submitted", "skipped", "skipped"]
    assert "workflow" in (yard.fires("skipping")[1].reason or "")
    gate.open.set()
    wait_until(lambda: yard.submitted("skipping", 2), message="it goes on once the first has ended")


def test_replace_cancels_the_workflow_as_one(
    yard: WorkflowYard, now: datetime, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.engine.worker()
    yard.engine.agent(max_concurrency=10)
    past(yard, now, 1, what=GATES, overlap="replace")
    wait_until(lambda: yard.submitted("past", 1))
    first = yard.workflow_ids("past")[0]
    with yard.engine.database.transaction() as tx:
        tx.rows("UPDATE schedules SET ends_at = now() + interval '1 hour', next_fire_at = now()", {})
    with monkeypatch.context() as patch:
        patch.setattr(ScheduledWorkflows, "_cancel_replaced", lambda *_: None)
        wait_until(lambda: yard.submitted("past", 1) and len(yard.workflow_ids("past")) == 2)
    assert yard.outcomes("past")[:2] == ["replaced", "submitted"], "a death before the first task is cancelled"
    assert yard.state(first) is None
    yard.switch("past", is_enabled=False)
    yard.submit_due()
    wait_until(lambda: yard.state(first) == "cancelled")
    wait_until(gate.saw_cancel.is_set, message="handlers of the replaced workflow are told")
    fire = yard.fires("past")[0]
    assert isinstance(fire.reason, TranslatableText)
    assert "replaced by the fire time" in fire.reason
    gate.open.set()


def test_replace_forgets_what_is_due(yard: WorkflowYard, now: datetime) -> None:
    past(yard, now, 2, what=ECHOES, overlap="replace", jitter_seconds=0)
    with yard.engine.database.transaction() as tx:
        known = schedules.get(tx, "past")
        at = now - timedelta(seconds=5)
        early = schedule_fires.Fire(
            known.id, at, schedule_fires.FireOutcome.DUE, workflow_id=known.id, submit_at=now + timedelta(hours=1)
        )
        schedule_fires.add(tx, [early])
    yard.engine.worker()
    wait_until(lambda: yard.submitted("past", 1))
    assert yard.outcomes("past")[0] == "replaced"
    assert len(yard.workflow_ids("past")) == 1


def test_what_no_longer_fits_is_recorded_with_its_reason(yard: WorkflowYard, now: datetime) -> None:
    past(yard, now, 2, what=ECHOES, catch_up="all")
    with yard.engine.database.transaction() as tx:
        tx.rows("UPDATE schedules SET what = replace(what::text, 'demo.echo', 'demo.gone')::json", {})
    yard.engine.worker()
    wait_until(lambda: len(yard.fires("past")) == 2)
    assert yard.submit_due() == 2
    for fire in yard.fires("past"):
        assert (fire.outcome, fire.workflow_id) == ("refused", None)
        assert "demo.gone" in (fire.reason or "")
        assert isinstance(fire.reason, TranslatableText), "it is shown in the reader's language"
    with yard.engine.database.transaction() as tx:
        [late] = schedule_fires.late(tx, 0)
    assert (late.name, late.state, late.kind, late.id) == ("past", None, "workflow", None)


def test_a_workflow_that_has_not_completed_is_late_by_its_id(yard: WorkflowYard, now: datetime) -> None:
    past(yard, now, 1, what={"name": "later", "tasks": {"a": {"type": "demo.echo", "delay_seconds": 3600}}})

    def late() -> schedule_fires.Late:
        with yard.engine.database.transaction() as tx:
            [found] = schedule_fires.late(tx, 0)
        return found

    yard.engine.worker()
    wait_until(lambda: yard.fires("past"))
    assert (late().state, late().kind) == ("running", "workflow")
    wait_until(lambda: yard.submitted("past", 1))
    assert (late().state, late().id) == ("running", yard.workflow_ids("past")[0])


def test_a_large_one_costs_the_tick_one_row(yard: WorkflowYard, now: datetime) -> None:
    many = {"many": [{"type": "demo.echo", "input": {"n": n}} for n in range(10_000)]}
    past(yard, now, 1, what={"name": "many", "tasks": many})
    with yard.engine.database.transaction() as tx:
        began = time.perf_counter()
        fired = fire_due(tx, yard.engine.registry, Limits.of(yard.engine.settings), lambda items, run: [])
        seconds = time.perf_counter() - began
    assert fired.schedules == 1
    assert seconds < 0.05, seconds
    assert yard.submit_due() == 1
    with yard.engine.database.transaction() as tx:
        assert tx.rows("SELECT count(*) FROM tasks", {}) == [(10_000,)]


def test_run_now_and_backfill(yard: WorkflowYard, now: datetime) -> None:
    yard.create("hourly", what=ECHOES, cron="@hourly")
    ran = yard.run("hourly")
    assert yard.workflow_ids("hourly") == [ran]
    made = yard.backfill("hourly", hours_ago(now, 3), hours_ago(now, 1))
    assert len(made) == 3
    assert yard.backfill("hourly", hours_ago(now, 3), hours_ago(now, 1)) == []
    assert yard.submit_due() == 3
    assert yard.workflow_ids("hourly") == sorted([ran, *made])
    with yard.engine.database.transaction() as tx:
        count = authorized_fires.count_backfill(tx, yard.acting.actor, "hourly", hours_ago(now, 4), now)
    assert (len(count.to_submit), count.submitted_before) == (2, 3)
    assert {fire.origin for fire in yard.fires("hourly")} == {"manual", "backfill"}


def test_jitter_delays_the_workflow(yard: WorkflowYard, now: datetime) -> None:
    past(yard, now, 1, what=ECHOES, jitter_seconds=3000)
    yard.engine.worker()
    wait_until(lambda: yard.fires("past"))
    assert yard.submit_due() == 0
    with yard.engine.database.transaction() as tx:
        tx.rows("UPDATE schedule_fires SET submit_at = now()", {})
    assert yard.submit_due() == 1


def test_a_removed_schedule_submits_no_more(yard: WorkflowYard, now: datetime) -> None:
    past(yard, now, 1, what=ECHOES)
    yard.engine.worker()
    wait_until(lambda: yard.fires("past"))
    with yard.engine.database.transaction() as tx:
        authorized_schedules.delete(tx, yard.acting.actor, "past")
    assert yard.submit_due() == 0
    assert yard.workflow_ids("past") == []


@pytest.mark.parametrize(
    ("what", "field"),
    [
        ({"kind": "workflow", "tasks": TASKS}, "what.name"),
        ({"kind": "workflow", "name": "x"}, "what.tasks"),
        ({"kind": "workflow", "name": "x", "tasks": []}, "what.tasks"),
        ({"kind": "workflow", "name": "x", "tasks": TASKS, "type": "demo.echo"}, "what"),
        ({"kind": "workflow", "name": 7, "tasks": TASKS}, "what.name"),
        ({"kind": "workflows", "name": "x", "tasks": TASKS}, "what.kind"),
        ({"name": "x", "tasks": {"a": {"type": "demo.nosuch"}}}, "tasks.a.type"),
        ({"name": "x", "tasks": {"a": {"type": "demo.echo", "after": ["b"]}}}, "tasks.a.after.0"),
        ({"name": "x", "tasks": {"a": {"type": "demo.echo", "after": ["a"]}}}, "tasks.a.after"),
        ({"name": "x", "tasks": {"a": {"type": "demo.echo", "input": [1]}}}, "tasks.a.input"),
        ({"name": "x", "tasks": {"a": {"type": "demo.echo", "priority": "higher"}}}, "tasks.a.priority"),
    ],
)
def test_bad_workflows_are_refused_and_not_stored(yard: WorkflowYard, what: dict[str, Any], field: str) -> None:
    with pytest.raises(SubmissionError) as caught:
        yard.create("bad", what=what, cron="@daily")
    assert caught.value.field == field
    assert "\n" not in str(caught.value)
    with yard.engine.database.transaction() as tx:
        assert schedules.find(tx, "bad") is None


def test_rights_count_for_each_task(yard: WorkflowYard, engine: Engine, now: datetime) -> None:
    narrow = Actor("kim", "token", ROLES[Role.OPERATOR], queues=("default",), types=("demo.echo",))
    mixed = {"name": "mixed", "tasks": {**TASKS, "third": {"type": "demo.gate", "input": {"n": 1}}}}
    with pytest.raises(NotPermitted):
        WorkflowYard(engine, narrow).create("mixed", what=mixed, cron="@daily")
    yard.create("mixed", what=mixed, cron="@daily")
    with engine.database.transaction() as tx:
        assert authorized_schedules.find(tx, narrow, "mixed").name == "mixed", "one of its tasks is theirs to see"
        with pytest.raises(NotPermitted):
            authorized_schedules.switch(tx, narrow, "mixed", is_enabled=False)
        nobody = replace(narrow, types=("demo.other",))
        assert authorized_schedules.list_schedules(tx, nobody) == []
        viewer = Actor("eve", "token", ROLES[Role.VIEWER] - {p for p in ROLES[Role.VIEWER] if p == "payload.read"})
        shown = authorized_schedules.find(tx, viewer, "mixed").as_json()
    assert "'input'" not in str(shown["what"]) or viewer.permissions
    acting = Authorized(engine.submitter, engine.registry, engine.database, narrow)
    with engine.database.transaction() as tx, pytest.raises(NotPermitted):
        authorized_fires.run(tx, acting, "mixed")


def test_tasks_of_a_workflow_know_the_fire_time(yard: WorkflowYard, now: datetime) -> None:
    tasks = {
        "first": {"type": "demo.echo", "input": {"day": {"$fire_time": "%d"}, "kept": {"$literal": {"$fire_time": 1}}}},
        "second": {"type": "demo.echo", "input": {"of": {"$ref": "first"}, "at": {"$fire_time": True}}},
    }
    yard.engine.worker()
    yard.engine.agent()
    yard.create("daily", what={"name": "w", "tasks": tasks}, cron="@hourly", time_zone="Etc/GMT-14")
    at = hours_ago(now, 2)
    [workflow] = yard.backfill("daily", at, at)
    yard.submit_due()
    with yard.engine.database.transaction() as tx:
        ids = dict(tx.rows("SELECT workflow_key, id::text FROM tasks WHERE workflow_id = %(id)s", {"id": workflow}))
    local = at + timedelta(hours=14)
    first, second = (yard.engine.wait_for(ids[key], "completed") for key in ("first", "second"))
    assert first.scheduled_for == second.scheduled_for == at
    assert first.input == {"day": f"{local:%d}", "kept": {"$fire_time": 1}}
    assert second.input == {"of": first.input, "at": f"{local:%Y-%m-%dT%H:%M:%S}+14:00"}
    bad = {"first": {"type": "demo.echo", "input": {"n": {"$fire_time": 7}}}}
    with pytest.raises(SubmissionError, match=r"tasks\.first\.input\.n\.\$fire_time"):
        yard.create("odd", what={"name": "w", "tasks": bad}, cron="@hourly")
