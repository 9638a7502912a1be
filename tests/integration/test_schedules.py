"""Schedules with a real leader: each fire time submits once, or by the schedule's policy not at all."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from taskyard.core.access.identity import Actor, local_actor
from taskyard.core.access.permissions import ROLES, Role
from taskyard.core.errors import NotPermitted, PermanentError, SubmissionError
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import schedule_fires, schedules
from taskyard.core.postgres.store.schedule_fires import PastFire
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.submission import authorized_fires, authorized_schedules, schedule_firing
from taskyard.core.submission.authorized import Authorized
from tests.engine import Engine, Payload
from tests.gates import Gate
from tests.integration.test_holds import hold
from tests.servers import wait_until

ECHO = {"type": "demo.echo", "input": {"n": 1}}
GATE = {"type": "demo.gate", "input": {"n": 1}}
HOURLY = {"what": ECHO, "cron": "@hourly"}
SECOND = {"what": ECHO, "interval_seconds": 1}


class Yard:
    """An engine with what people do to its schedules."""

    def __init__(self, engine: Engine, actor: Actor | None = None) -> None:
        self.engine = engine
        self.acting = Authorized(engine.submitter, engine.registry, engine.database, actor or local_actor())

    def create(self, name: str, **given: Any) -> None:
        with self.engine.database.transaction() as tx:
            authorized_schedules.create(tx, self.acting, name, **given)

    def change(self, name: str, **given: Any) -> bool:
        with self.engine.database.transaction() as tx:
            return authorized_schedules.change(tx, self.acting, name, **given)

    def switch(self, name: str, *, is_enabled: bool) -> bool:
        with self.engine.database.transaction() as tx:
            return authorized_schedules.switch(tx, self.acting.actor, name, is_enabled=is_enabled)

    def run(self, name: str) -> str:
        with self.engine.database.transaction() as tx:
            ran = authorized_fires.run(tx, self.acting, name)
        ran.wake(self.acting)
        return ran.id

    def backfill(self, name: str, since: datetime, until: datetime) -> list[str]:
        with self.engine.database.transaction() as tx:
            made = authorized_fires.backfill(tx, self.acting, name, since, until)
        made.wake(self.acting)
        return list(made.ids)

    def fires(self, name: str) -> list[PastFire]:
        """Its fire times, oldest first."""
        with self.engine.database.transaction() as tx:
            return schedule_fires.fires(tx, schedules.get(tx, name).id, limit=500)[::-1]

    def outcomes(self, name: str) -> list[str]:
        return [fire.outcome.value for fire in self.fires(name)]

    def was_due(self, name: str, moment: datetime) -> None:
        """Makes it as if nobody had led since a fire time."""
        with self.engine.database.transaction() as tx:
            tx.rows("UPDATE schedules SET next_fire_at = %(at)s WHERE name = %(name)s", {"at": moment, "name": name})


@pytest.fixture
def yard(engine: Engine) -> Yard:
    return Yard(engine)


@pytest.fixture
def now(engine: Engine) -> datetime:
    with engine.database.transaction() as tx:
        return schedules.now(tx)


def hours_ago(now: datetime, hours: int) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours)


def test_each_fire_time_submits_one_task(yard: Yard) -> None:
    yard.engine.worker()
    yard.engine.agent()
    yard.create("often", **SECOND)
    wait_until(lambda: len(yard.fires("often")) >= 3)
    fires = yard.fires("often")
    assert {fire.outcome.value for fire in fires} == {"submitted"}
    gaps = {(b.fire_time - a.fire_time).total_seconds() for a, b in pairwise(fires)}
    assert gaps == {1.0}
    task = yard.engine.wait_for(fires[0].task_id or "", "completed")
    assert (task.title, task.created_by, task.input) == ("often", "schedule:often", {"n": 1})
    late = (fires[1].recorded_at - fires[1].fire_time).total_seconds()
    assert 0 <= late < 0.5, "the leader knows when the next one is due"


def test_no_task_after_a_pause_and_none_is_made_up_for(yard: Yard) -> None:
    yard.engine.worker()
    yard.create("often", **SECOND)
    wait_until(lambda: yard.fires("often"))
    assert yard.switch("often", is_enabled=False)
    assert not yard.switch("often", is_enabled=False)
    count = len(yard.fires("often"))
    with yard.engine.database.transaction() as tx:
        assert schedules.get(tx, "often").next_fire_at is None
    assert yard.switch("often", is_enabled=True)
    wait_until(lambda: len(yard.fires("often")) > count)
    assert set(yard.outcomes("often")) == {"submitted"}


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        ("none", ["missed"] * 6),
        ("last", ["missed"] * 5 + ["submitted"]),
        ("all", ["missed"] * 3 + ["submitted"] * 3),
    ],
)
def test_catch_up(yard: Yard, now: datetime, catch_up: str, expected: list[str]) -> None:
    last = now.replace(second=0, microsecond=0) - timedelta(minutes=30)
    yard.create("hourly", what=ECHO, cron=f"{last.minute} * * * *", catch_up=catch_up, catch_up_limit=3)
    yard.was_due("hourly", last - timedelta(hours=5))
    yard.engine.worker()
    wait_until(lambda: yard.fires("hourly"))
    assert yard.outcomes("hourly") == expected


def test_a_long_absence_is_recorded_in_short(yard: Yard, now: datetime) -> None:
    yard.create("often", **SECOND, starts_at=now - timedelta(days=300))
    yard.was_due("often", now - timedelta(days=300))
    yard.engine.worker()
    wait_until(lambda: yard.fires("often"))
    missed = [fire for fire in yard.fires("often") if fire.outcome == "missed"]
    assert len(missed) == 20
    assert missed[0].reason


def test_overlap_skip_and_replace(yard: Yard, gate: Gate) -> None:
    yard.engine.worker()
    yard.engine.agent(max_concurrency=10)
    yard.create("skipping", what=GATE, interval_seconds=1, overlap="skip")
    yard.create("replacing", what=GATE, interval_seconds=1, overlap="replace")
    wait_until(lambda: len(yard.fires("skipping")) >= 3 and len(yard.fires("replacing")) >= 3)
    assert yard.outcomes("skipping")[:3] == ["submitted", "skipped", "skipped"]
    replaced = [fire for fire in yard.fires("replacing") if fire.outcome == "replaced"]
    assert replaced
    assert yard.engine.wait_for(replaced[0].task_id or "").state == "cancelled"
    wait_until(gate.saw_cancel.is_set, message="the replaced task's handler is told")
    assert len([fire for fire in yard.fires("replacing") if fire.state == "in_progress"]) <= 1
    gate.open.set()


def test_what_is_refused_stops_no_other(yard: Yard) -> None:
    yard.create("gone", what=ECHO, interval_seconds=1)
    yard.create("held", what={**ECHO, "options": {"queue": "full"}}, interval_seconds=1)
    yard.create("fine", **SECOND)
    with yard.engine.database.transaction() as tx:
        tx.rows(
            "UPDATE schedules SET what = replace(what::text, 'demo.echo', 'demo.gone')::json WHERE name = 'gone'", {}
        )
    hold(yard.engine, HoldKind.QUEUE, "full", HoldMode.DRAINING)
    yard.engine.worker()
    wait_until(lambda: all(len(yard.fires(name)) >= 2 for name in ("gone", "held", "fine")))
    assert set(yard.outcomes("gone")) == {"refused"}
    assert "demo.gone" in (yard.fires("gone")[0].reason or "")
    assert set(yard.outcomes("held")) == {"refused"}
    assert set(yard.outcomes("fine")) == {"submitted"}


def test_input_that_postgresql_refuses_stops_no_other(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks refuse such an input; one that slips through is found by halving, as everywhere in the tick."""
    yard.create("odd", what={"type": "demo.echo", "input": {"n": "odd"}}, interval_seconds=1)
    yard.create("fine", **SECOND)
    real = schedule_firing.validate_submission

    def careless(*args: Any, **kwargs: Any) -> Any:
        made = real(*args, **kwargs)
        return msgspec.structs.replace(made, input_json='{"n": \\u0000') if "odd" in made.input_json else made

    monkeypatch.setattr(schedule_firing, "validate_submission", careless)
    yard.engine.worker()
    wait_until(lambda: yard.fires("odd") and yard.fires("fine"))
    assert set(yard.outcomes("odd")) == {"refused"}
    assert set(yard.outcomes("fine")) == {"submitted"}


def test_jitter_delays_the_task_not_the_fire_time(yard: Yard, now: datetime) -> None:
    yard.create("hourly", **HOURLY, jitter_seconds=3000)
    yard.was_due("hourly", hours_ago(now, 0))
    yard.engine.worker()
    wait_until(lambda: yard.fires("hourly"))
    [fire] = yard.fires("hourly")
    task = yard.engine.task(fire.task_id or "")
    assert fire.fire_time == hours_ago(now, 0)
    assert task.run_at is not None
    assert timedelta(0) < task.run_at - fire.fire_time <= timedelta(seconds=3000)


def test_takeovers_fire_each_time_once(yard: Yard) -> None:
    yard.create("often", **SECOND)
    yard.engine.worker("first")
    yard.engine.worker("second")
    for count in (2, 4, 6):
        wait_until(lambda count=count: len(yard.fires("often")) >= count)
        yard.engine.kill_leader_connection()
    wait_until(lambda: len(yard.fires("often")) >= 7)
    fires = yard.fires("often")
    with yard.engine.database.transaction() as tx:
        tasks = tx.rows("SELECT id::text, idempotency_key FROM tasks WHERE created_by = 'schedule:often'", {})
    assert len({key for _, key in tasks}) == len(tasks)
    assert {fire.task_id for fire in fires if fire.outcome == "submitted"} <= {id_ for id_, _ in tasks}
    assert all((b.fire_time - a.fire_time).total_seconds() == 1.0 for a, b in pairwise(fires))


def test_a_clock_that_is_put_back_fires_nothing_twice(yard: Yard, now: datetime) -> None:
    """The row of a fire time keeps it from being fired again, whatever its schedule says of the next one."""
    yard.create("hourly", **HOURLY, catch_up="all")
    for _ in range(2):
        yard.was_due("hourly", hours_ago(now, 3))
        if not yard.fires("hourly"):
            yard.engine.worker()
        wait_until(lambda: due_is_past(yard.engine.database, "hourly"))
    with yard.engine.database.transaction() as tx:
        [(count,)] = tx.rows("SELECT count(*) FROM tasks WHERE created_by = 'schedule:hourly'", {})
    assert count == len(yard.fires("hourly")) == 4


def due_is_past(database: Database, name: str) -> bool:
    with database.transaction() as tx:
        known = schedules.get(tx, name)
        return known.next_fire_at is not None and known.next_fire_at > schedules.now(tx)


def test_a_locked_schedule_waits_and_others_fire(yard: Yard) -> None:
    yard.create("locked", **SECOND)
    yard.create("free", **SECOND)
    yard.engine.worker()
    with yard.engine.database.transaction() as tx:
        schedules.locked(tx, "locked")
        count = len(yard.fires("locked"))
        wait_until(lambda: len(yard.fires("free")) >= 2)
        assert len(yard.fires("locked")) == count
    wait_until(lambda: len(yard.fires("locked")) > count)


def test_a_locked_table_keeps_nothing_else_from_going_on(yard: Yard) -> None:
    yard.create("often", **SECOND)
    yard.engine.worker()
    yard.engine.agent()
    wait_until(lambda: yard.fires("often"))
    with yard.engine.database.transaction() as tx:
        tx.rows("LOCK TABLE schedules IN ACCESS EXCLUSIVE MODE", {})
        for _ in range(3):
            yard.engine.wait_for(yard.engine.submit("demo.echo"), "completed")
    count = len(yard.fires("often"))
    wait_until(lambda: len(yard.fires("often")) > count)


def test_run_now_and_backfill(yard: Yard, now: datetime) -> None:
    yard.engine.worker()
    yard.create("hourly", **HOURLY, overlap="skip")
    task_id = yard.run("hourly")
    assert yard.engine.task(task_id).created_by == "schedule:hourly"
    since, until = hours_ago(now, 6), hours_ago(now, 2)
    with yard.engine.database.transaction() as tx:
        counted = authorized_fires.count_backfill(tx, local_actor(), "hourly", since, until)
    assert (len(counted.to_submit), counted.submitted_before) == (5, 0)
    made = yard.backfill("hourly", since, until)
    assert len(made) == 5
    assert yard.backfill("hourly", since, until) == []
    assert len(yard.backfill("hourly", hours_ago(now, 7), until)) == 1
    assert sorted(fire.origin.value for fire in yard.fires("hourly")) == ["backfill"] * 6 + ["manual"]
    for since, until in ((now, now + timedelta(hours=1)), (now, hours_ago(now, 3)), (now - timedelta(days=300), now)):
        with pytest.raises(SubmissionError):
            yard.backfill("hourly", since, until)


def test_a_task_knows_its_fire_time(yard: Yard, now: datetime) -> None:
    """Also when it runs later, is delayed or retried, and each of many that are made up for its own."""

    def tells(given: Payload, context: Any) -> Payload:
        if context.attempt < 3:
            raise PermanentError("no") if context.attempt == 1 else RuntimeError("once more")
        return Payload(told=None if context.scheduled_for is None else context.scheduled_for.isoformat(), **dict(given))

    yard.engine.define("demo.tells", tells)
    yard.engine.worker()
    yard.engine.agent()
    day = {"$fire_time": "%Y-%m-%d %H:%M"}
    yard.create("hourly", what={"type": "demo.tells", "input": {"day": day}}, cron="@hourly", jitter_seconds=1)
    with yard.engine.database.transaction() as tx:
        assert schedules.get(tx, "hourly").fields.what.as_json()["input"] == {"day": day}, "it is kept as it is"
    times = [hours_ago(now, hours) for hours in (3, 2, 1)]
    ids = yard.backfill("hourly", times[0], times[-1])
    for at, id_ in zip(times, ids, strict=True):
        assert yard.engine.task(id_).scheduled_for == at
        failed = yard.engine.wait_for(id_, "failed")
        assert failed.input == {"day": f"{at:%Y-%m-%d %H:%M}"}
        yard.engine.submitter.retry(id_, actor="test")
        output = yard.engine.wait_for(id_, "completed").output
        assert datetime.fromisoformat(output["told"]) == at
    yard.was_due("hourly", hours_ago(now, 0))
    wait_until(lambda: any(fire.origin == "time" for fire in yard.fires("hourly")))
    [fired] = [fire for fire in yard.fires("hourly") if fire.origin == "time"]
    assert yard.engine.task(fired.task_id or "").scheduled_for == fired.fire_time, "and not when it may start"
    run = yard.engine.task(yard.run("hourly"))
    assert run.scheduled_for == yard.fires("hourly")[-1].fire_time
    assert yard.engine.task(yard.engine.submit("demo.echo")).scheduled_for is None
    with pytest.raises(SubmissionError, match=r"input\.day\.\$fire_time"):
        yard.create("odd", what={"type": "demo.tells", "input": {"day": {"$fire_time": "%s"}}}, cron="@hourly")


BEGIN, END = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"


@pytest.mark.parametrize("edge", [BEGIN, END, "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"])
def test_the_ends_of_the_calendar_are_refused(yard: Yard, now: datetime, edge: str) -> None:
    at = datetime.fromisoformat(edge)
    yard.create("hourly", **HOURLY)
    for field, since, until in (("since", at, now), ("until", now, at)):
        with pytest.raises(SubmissionError) as caught:
            yard.backfill("hourly", since, until)
        assert (caught.value.field, str(caught.value).count("\n")) == (field, 0)
    for field in ("starts_at", "ends_at"):
        for value in (at, edge):
            with pytest.raises(SubmissionError, match=field):
                yard.create("odd", **HOURLY, **{field: value})
    with pytest.raises(SubmissionError, match="run_at"):
        yard.engine.submit("demo.echo", run_at=edge)


def test_an_end_that_has_passed_is_refused(yard: Yard, now: datetime) -> None:
    past = now - timedelta(days=1)
    with pytest.raises(SubmissionError, match=r"ends_at: .* expected a time to come"):
        yard.create("over", **HOURLY, ends_at=past)
    yard.create("mine", **HOURLY)
    with pytest.raises(SubmissionError, match="a time to come"):
        yard.change("mine", ends_at=past)
    with yard.engine.database.transaction() as tx:
        tx.rows("UPDATE schedules SET ends_at = %(past)s", {"past": past})
    assert yard.change("mine", jitter_seconds=5), "one that is over can be changed otherwise"


def test_an_interval_has_fire_times_before_it_was_made(yard: Yard, now: datetime) -> None:
    yard.create("often", what=ECHO, interval_seconds=3600)
    assert len(yard.backfill("often", now - timedelta(hours=5, minutes=30), now - timedelta(minutes=1))) == 5


def test_changes(yard: Yard, now: datetime) -> None:
    yard.create("mine", **HOURLY)
    assert not yard.change("mine", cron="@hourly")
    assert yard.change("mine", interval_seconds=90)
    with yard.engine.database.transaction() as tx:
        known = schedules.get(tx, "mine")
    assert (known.fields.cron, known.fields.interval_seconds) == (None, 90.0)
    assert known.next_fire_at is not None
    assert timedelta(seconds=80) < known.next_fire_at - now < timedelta(seconds=100)
    with pytest.raises(SubmissionError, match="a name that no schedule has"):
        yard.create("mine", **HOURLY)
    with pytest.raises(SubmissionError, match="nosuch"):
        yard.create("other", what={"type": "nosuch"}, cron="@daily")
    with pytest.raises(SubmissionError, match="reserved for schedules"):
        yard.engine.submit("demo.echo", idempotency_key="schedule:x/1")
    with yard.engine.database.transaction() as tx:
        assert authorized_schedules.delete(tx, local_actor(), "mine")
        with pytest.raises(SubmissionError):
            schedules.get(tx, "mine")
        events = [
            row[0] for row in tx.rows("SELECT event FROM task_events WHERE event LIKE 'schedule%%' ORDER BY at", {})
        ]
    assert events == ["schedule_created", "schedule_changed", "schedule_deleted"]


def test_declared_ones_belong_to_their_owner(yard: Yard) -> None:
    yard.create("mine", **HOURLY)
    with yard.engine.database.transaction() as tx:
        done = authorized_schedules.apply(tx, yard.acting, "file:nightly", {"a": HOURLY, "b": SECOND})
    assert done == {"added": ["a", "b"], "changed": [], "removed": []}
    with pytest.raises(SubmissionError, match="file:nightly declares it"):
        yard.change("a", cron="@daily")
    assert yard.switch("a", is_enabled=False), "it can be paused all the same"
    with yard.engine.database.transaction() as tx:
        done = authorized_schedules.apply(tx, yard.acting, "file:nightly", {"a": {**HOURLY, "cron": "@daily"}})
        assert not schedules.get(tx, "a").is_enabled, "a declaration does not resume it"
    assert done == {"added": [], "changed": ["a"], "removed": ["b"]}
    with yard.engine.database.transaction() as tx, pytest.raises(SubmissionError, match="mine"):
        authorized_schedules.apply(tx, yard.acting, "file:nightly", {"mine": HOURLY})


def test_rights(yard: Yard, engine: Engine) -> None:
    yard.create("mine", **HOURLY)
    yard.create("other", what={**ECHO, "options": {"queue": "other"}}, cron="@daily")
    viewer = Actor("eve", "token", ROLES[Role.VIEWER])
    narrowed = Actor("ann", "token", ROLES[Role.OPERATOR], ("default",), ("demo.*",))
    with engine.database.transaction() as tx:
        seen = authorized_schedules.list_schedules(tx, viewer)
        assert [one.name for one in seen] == ["mine", "other"]
        assert seen[0].fields.what.input is None
        assert [one.name for one in authorized_schedules.list_schedules(tx, narrowed)] == ["mine"]
        with pytest.raises(NotPermitted):
            authorized_schedules.switch(tx, viewer, "mine", is_enabled=False)
        with pytest.raises(SubmissionError, match="other"):
            authorized_schedules.switch(tx, narrowed, "other", is_enabled=False)
    for actor in (viewer, Actor("sub", "token", ROLES[Role.SUBMITTER])):
        with pytest.raises(NotPermitted):
            Yard(engine, actor).create("theirs", **HOURLY)
    with pytest.raises(NotPermitted):
        Yard(engine, narrowed).create("theirs", what={**ECHO, "options": {"queue": "other"}}, cron="@daily")


MANY = """
    INSERT INTO schedules (id, name, cron, time_zone, what, catch_up, catch_up_limit, overlap, may_run_code, anchor_at,
        next_fire_at, created_by)
    SELECT gen_random_uuid(), 'n' || i, '* * * * *', 'UTC',
        '{"kind": "task", "type": "demo.echo", "input": {}, "options": {}}', 'last', 1, 'allow', true, now(),
        now() + make_interval(secs => 3600 + i), 'test'
    FROM generate_series(1, 10000) i
"""


def test_ten_thousand_cost_nothing_until_they_are_due(yard: Yard, now: datetime) -> None:
    with yard.engine.database.transaction() as tx:
        tx.rows(MANY, {})
    worker = yard.engine.worker()
    wait_until(lambda: worker.dispatcher.term is not None and worker.dispatcher.ticks > 5)
    term = worker.dispatcher.term
    assert term is not None
    database_now = term.database_now(worker.dispatcher._clock)
    assert 3_000 < term.schedules.seconds_left(database_now, 0.0) < 3_700
    assert term.schedules.take(database_now, 1e12) is None, "no statement is sent for them"
    yard.was_due("n500", now.replace(second=0, microsecond=0))
    wait_until(lambda: yard.fires("n500"))
