"""Error groups: what is counted of them, what is failed now, and muting."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskyard.core.clock import Clock
from taskyard.core.errors import PermanentError, SubmissionError
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import commands, failures
from taskyard.core.postgres.store.rollups import DAY, HOUR, LEVELS, MINUTE
from taskyard.worker.monitor.rollup import RollUp
from tests.engine import Engine
from tests.integration.recount import SPAN_SECONDS, START, failures_of, random_events, store
from tests.servers import wait_until


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    database.close()


@pytest.fixture
def events(database: Database) -> list[dict[str, Any]]:
    """Events of some hours, rolled up."""
    events = random_events(random.Random(7), START, START + SPAN_SECONDS, 1_000)
    store(database, events)
    RollUp(database).run(lambda: True)
    return events


def audit(database: Database) -> list[tuple[Any, ...]]:
    with database.transaction() as tx:
        return list(
            tx.rows(
                "SELECT event, actor, detail->>'fingerprint', detail->>'reason' FROM task_events"
                " WHERE task_id IS NULL ORDER BY at",
                {},
            )
        )


@pytest.mark.parametrize("minutes", [0, 7])  # not only with a step of a chart
def test_groups_count_a_range(database: Database, events: list[dict[str, Any]], minutes: int) -> None:
    since, until = START + HOUR + 60 * minutes, START + 3 * HOUR
    with database.transaction() as tx:
        found = failures.groups(tx, since, until)
    assert [group.attempts for group in found] == sorted((group.attempts for group in found), reverse=True)
    assert {group.fingerprint for group in found} == {"f1", "f2", "f3"}
    for group in found:
        of_group = [e for e in failures_of(events) if e["mark"] == group.fingerprint]
        within = [e for e in of_group if since <= e["at"] < until]
        assert group.attempts == len(within)
        assert group.tasks == sum(e["event"] == "failed" for e in within)
        assert sum(group.agents.values()) == group.attempts
        assert group.agents["agent-1"] == sum(e["agent_id"] == "agent-1:boot" for e in within)
        latest = max(of_group, key=lambda e: e["at"])
        assert (group.message, group.error_class, group.type, group.example_task_id) == tuple(
            latest[name] for name in ("message", "class", "type", "task_id")
        )
        assert group.last_seen.timestamp() == pytest.approx(latest["at"])
        assert group.first_seen.timestamp() == pytest.approx(min(e["at"] for e in of_group))
        assert group.as_json()["first_seen"] == group.first_seen.isoformat()


def test_groups_of_one_type_and_at_most_so_many(database: Database, events: list[dict[str, Any]]) -> None:
    until = START + SPAN_SECONDS
    with database.transaction() as tx:
        every = failures.groups(tx, START, until)
        assert failures.groups(tx, START, until, limit=1) == every[:1]
        for type_ in ("a.b", "c.d"):
            assert failures.groups(tx, START, until, type=type_) == [g for g in every if g.type == type_]
        for group in every:
            assert failures.groups(tx, START, until, fingerprint=group.fingerprint) == [group]
        assert failures.groups(tx, until + DAY, until + 2 * DAY) == []


def test_trend_adds_up(database: Database, events: list[dict[str, Any]]) -> None:
    for step in (MINUTE, 10 * MINUTE, HOUR):
        with database.transaction() as tx:
            found = failures.trend(tx, ["f1", "f3", "unknown"], START, START + SPAN_SECONDS, step)
        assert found["unknown"] == []
        for mark in ("f1", "f3"):
            wanted: dict[float, int] = {}
            for e in failures_of(events):
                if e["mark"] == mark:
                    wanted[e["at"] // step * step] = wanted.get(e["at"] // step * step, 0) + 1
            assert found[mark] == sorted(wanted.items())


def test_a_muted_group_is_hidden_until_its_time(database: Database, events: list[dict[str, Any]]) -> None:
    until = START + SPAN_SECONDS
    with database.transaction() as tx:
        muted_until = failures.mute(tx, "f1", 3600, "ann", "known")
        assert {g.fingerprint for g in failures.groups(tx, START, until)} == {"f2", "f3"}
        [group] = [g for g in failures.groups(tx, START, until, include_muted=True) if g.fingerprint == "f1"]
        assert (group.muted_until, group.muted_by, group.mute_reason) == (muted_until, "ann", "known")
        assert muted_until - datetime.now(UTC) > timedelta(minutes=59)
        tx.rows("UPDATE failure_groups SET muted_until = now() - interval '1 s' WHERE fingerprint = 'f1'", {})
        [group] = [g for g in failures.groups(tx, START, until) if g.fingerprint == "f1"]
        assert (group.muted_until, group.muted_by, group.mute_reason) == (None, None, None)
        assert not failures.unmute(tx, "f1", "bob")
    with database.transaction() as tx:
        failures.mute(tx, "f2", 60, "ann", "")
    with database.transaction() as tx:
        assert failures.unmute(tx, "f2", "bob")
        assert len(failures.groups(tx, START, until)) == 3
    assert audit(database) == [
        ("failures_muted", "ann", "f1", "known"),
        ("failures_muted", "ann", "f2", ""),
        ("failures_unmuted", "bob", "f2", None),
    ]


def test_what_can_not_be_muted(database: Database, events: list[dict[str, Any]]) -> None:
    with database.transaction() as tx:
        for seconds in (0, -1, float("nan"), float("inf"), 1e12):
            with pytest.raises(SubmissionError, match=r"seconds: .* expected more than 0"):
                failures.mute(tx, "f1", seconds, "ann", "")
        with pytest.raises(SubmissionError, match="fingerprint: 'f9' is not accepted, expected that of an error group"):
            failures.mute(tx, "f9", 60, "ann", "")
    assert audit(database) == []


def test_groups_go_with_the_last_of_their_counts(database: Database, events: list[dict[str, Any]]) -> None:
    days = int((Clock().now().timestamp() - START) / DAY)
    kept = {level: max(1, days - 1) for level in LEVELS}
    with database.transaction() as tx:
        failures.mute(tx, "f1", 3600, "ann", "")
    duty = RollUp(database)
    for longest, left in ((0, {"f1", "f2", "f3"}), (days + 2, {"f1", "f2", "f3"}), (max(1, days - 1), {"f1"})):
        duty.prune({**kept, DAY: longest})
        with database.transaction() as tx:
            assert {row[0] for row in tx.rows("SELECT fingerprint FROM failure_groups", {})} == left
    with database.transaction() as tx:
        assert tx.rows("SELECT count(*) FROM failure_counts", {}) == [(0,)]


def test_a_task_that_is_retried_and_fails_again_is_one(engine: Engine) -> None:
    def fail(given: Any, context: Any) -> Any:
        raise PermanentError(f"no {given.what}")

    engine.define("demo.fail", fail)
    engine.worker()
    engine.agent("a")
    ids = [engine.submit("demo.fail", {"what": what}) for what in ("cat", "cat", "dog")]
    engine.wait_for_all(ids, "failed")
    for times in (2, 3):
        for task_id in (ids[0], ids[2]):
            engine.submitter.retry(task_id, actor="ann")
            wait_until(lambda id_=task_id, n=times: engine.events(id_).count("failed") == n)
    RollUp(engine.database).run(lambda: True)
    now = Clock().now().timestamp()
    for seconds in (600, HOUR, 30 * DAY):
        with engine.database.transaction() as tx:
            found = {group.message[-3:]: group for group in failures.groups(tx, now - seconds, now + 60)}
        assert {name: (g.attempts, g.tasks) for name, g in found.items()} == {"cat": (4, 2), "dog": (3, 1)}


def test_what_is_failed_now(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(given: Any, context: Any) -> Any:
        raise ValueError(f"no {given.what} in row {given.row}")

    engine.define("demo.fail", fail)
    engine.worker()
    engine.agent("a")
    ids = [engine.submit("demo.fail", {"what": what, "row": row}) for what in ("cat", "dog") for row in range(2)]
    engine.wait_for_all(ids, "failed")
    marks = {what: engine.task(ids[n]).error["fingerprint"] for what, n in (("cat", 0), ("dog", 2))}
    RollUp(engine.database).run(lambda: True)
    now = Clock().now().timestamp()
    with engine.database.transaction() as tx:
        assert failures.failed_now(tx, [marks["cat"], "x"]) == {marks["cat"]: 2, "x": 0}
        found = {group.fingerprint: group for group in failures.groups(tx, now - HOUR, now + 60)}
        assert set(found) == set(marks.values())
        assert found[marks["dog"]].agents == {"a": found[marks["dog"]].attempts}
        assert found[marks["dog"]].tasks == 2
        assert found[marks["dog"]].example_task_id in ids[2:]
        commands.retry(tx, ids[0], "ann", "")
        assert failures.failed_now(tx, list(marks.values())) == {marks["cat"]: 1, marks["dog"]: 2}
        monkeypatch.setattr(failures, "MAX_FAILED", 1)
        assert failures.failed_now(tx, [marks["dog"]]) == {marks["dog"]: 1}
