"""What the roll-ups say of agents: their results by type over a range, and what ended in each step of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import timeline
from taskyard.core.postgres.store.agent_results import agent_results
from taskyard.core.postgres.store.rollups import HOUR
from taskyard.core.telemetry.histogram import Histogram
from taskyard.core.telemetry.timeline import Step
from taskyard.core.views.timeline import timeline_of
from taskyard.worker.monitor.rollup import RollUp
from tests.integration.recount import SPAN_SECONDS, START, random_events, store

UNTIL = START + SPAN_SECONDS
ENDS = ("completed", "failed", "attempt_failed")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    database.close()


@pytest.fixture
def ended(database: Database) -> list[dict[str, Any]]:
    """The attempts that ended in five hours around a midnight, which are rolled up."""
    events = random_events(random.Random(21), START, UNTIL)
    store(database, events)
    RollUp(database).run(lambda: True)
    return [e for e in events if e["event"] in ENDS]


def name_of(event: dict[str, Any]) -> str:
    return str(event["agent_id"].partition(":")[0])


def recounted(events: list[dict[str, Any]], step: int) -> list[Step]:
    """What the steps must hold."""
    of: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for event in events:
        of.setdefault((name_of(event), event["at"] // step * step), []).append(event)
    return [
        Step(
            agent,
            start,
            sum(e["event"] == "completed" for e in found),
            sum(e["event"] != "completed" for e in found),
            pytest.approx(sum(e["run_seconds"] for e in found), rel=1e-5),
        )
        for (agent, start), found in sorted(of.items())
    ]


@pytest.mark.parametrize("since", [START, UNTIL - HOUR, UNTIL - 600, UNTIL - 2 * HOUR + 7 * 60])
def test_results_are_those_of_a_recount(database: Database, ended: list[dict[str, Any]], since: float) -> None:
    with database.transaction() as tx:
        found = agent_results(tx, since, UNTIL)

    wanted = [e for e in ended if e["at"] >= since]
    assert [(r.agent, r.type) for r in found] == sorted({(name_of(e), e["type"]) for e in wanted})
    for result in found:
        own = [e for e in wanted if (name_of(e), e["type"]) == (result.agent, result.type)]
        assert result.completed == sum(e["event"] == "completed" for e in own)
        assert result.failed == sum(e["event"] != "completed" for e in own)
        assert result.run.counts == Histogram.of(e["run_seconds"] for e in own).counts
        assert result.run.mean == pytest.approx(sum(e["run_seconds"] for e in own) / len(own), rel=1e-5)


def test_steps_are_those_of_a_recount_and_of_what_is_asked_for(
    database: Database, ended: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as tx:
        step, every = timeline.steps(tx, START, UNTIL)
        _step, one = timeline.steps(tx, START, UNTIL, agent="agent-1")
        _step, some = timeline.steps(tx, START, UNTIL, queues=["other"], types=["a.b"])
        _step, none = timeline.steps(tx, START, UNTIL, queues=[])
        monkeypatch.setattr(timeline, "MAX_AGENTS", 2)
        _step, first = timeline.steps(tx, START, UNTIL)

    assert (SPAN_SECONDS / step) <= 150
    assert every == recounted(ended, step)
    assert one == recounted([e for e in ended if name_of(e) == "agent-1"], step)
    assert some == recounted([e for e in ended if (e["queue"], e["type"]) == ("other", "a.b")], step)
    assert none == []
    assert {found.agent for found in first} == {"agent-0", "agent-1"}


def test_a_long_or_busy_range_is_covered_whole(
    database: Database, ended: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, narrowed = Actor("", ""), Actor("", "", queues=("other",), types=("a.b",))
    with database.transaction() as tx:
        long = timeline_of(tx, whole, None, UNTIL, SPAN_SECONDS)
        of_one = timeline_of(tx, whole, None, UNTIL, SPAN_SECONDS, "agent-2")
        own = timeline_of(tx, narrowed, None, UNTIL, SPAN_SECONDS)
        quiet = timeline_of(tx, whole, None, UNTIL, HOUR)
        monkeypatch.setattr(timeline, "ENDS_LOOKED_AT", 50)
        busy = timeline_of(tx, whole, None, UNTIL, HOUR)

    assert whole.queues == (EVERY,)
    assert (long.since, long.until, long.known_since, long.is_cut) == (START, UNTIL, UNTIL - HOUR, True)
    assert list(long.steps) == recounted(ended, long.step_seconds)
    assert {span.agent for span in of_one.spans} == {step.agent for step in of_one.steps} == {"agent-2"}
    last = [e for e in ended if e["at"] >= UNTIL - HOUR]
    assert (quiet.step_seconds, quiet.steps, quiet.is_cut, len(quiet.spans)) == (0, (), False, len(last))
    assert busy.known_since > busy.since
    assert list(busy.steps) == recounted(last, busy.step_seconds)
    assert sum(step.completed + step.failed for step in own.steps) == sum(
        (e["queue"], e["type"]) == ("other", "a.b") for e in ended
    )
