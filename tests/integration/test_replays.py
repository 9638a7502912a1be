"""Replays of what a real installation recorded, and of a made history, by the command too."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner, Result

from taskyard.core.access.identity import local_actor
from taskyard.core.errors import TransientError
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import recovery, replays
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.simulation.record import workload_of
from taskyard.core.simulation.replay import RECORDED, REPLAYED
from taskyard.core.simulation.simulate import Simulation, everywhere, no_progress
from taskyard.core.simulation.workload import at_load
from taskyard.core.submission import authorized_controls
from taskyard.core.views.replays import replayed
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.cli import exits
from taskyard.worker.cli.app import app
from tests.engine import NO_BACKOFF, Engine, Payload
from tests.servers import wait_until
from tests.unit.simulation_support import cluster_log

DAY = 86_400.0
RUN_SECONDS = 0.1
ACTING = everywhere("least_loaded")


@pytest.fixture
def cli(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    settings = engine.settings
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, ["replay", *arguments], prog_name="taskyard")


def sleep(given: Payload, context: TaskContext) -> Payload:
    time.sleep(RUN_SECONDS)
    if getattr(given, "fails", False) and context.attempt == 1:
        raise TransientError("the first time")
    return given


def hold(engine: Engine, name: str, *, is_held: bool) -> None:
    with engine.database.transaction() as tx:
        if is_held:
            authorized_controls.hold(tx, local_actor(), HoldKind.QUEUE, name, HoldMode.PAUSED, "test")
        else:
            authorized_controls.release(tx, local_actor(), HoldKind.QUEUE, name, "test")


def test_what_ran_is_replayed_as_it_was(engine: Engine) -> None:
    """Thirty tasks in two queues on two slots, of which one fails once, one queue is held, and one still runs."""
    engine.define("r.sleep", sleep, retry=NO_BACKOFF)
    began = time.time() - 1
    engine.worker()
    engine.agent(max_concurrency=2)
    hold(engine, "nightly", is_held=True)
    ids = [
        engine.submit("r.sleep", {"fails": number == 3}, priority="high" if number % 5 == 0 else "medium")
        for number in range(20)
    ]
    ids += [engine.submit("r.sleep", queue="nightly") for _ in range(10)]
    engine.wait_for_all(ids[:20])
    time.sleep(1.5)
    hold(engine, "nightly", is_held=False)
    engine.wait_for_all(ids)
    gate = engine.submit("demo.gate")
    wait_until(lambda: engine.task(gate).state == "in_progress")

    found = replayed(engine.database, ACTING, began, time.time() + 1, "learned").replay
    assert found is not None
    assert (found.tasks, found.never_started, found.agents) == (32, 0, 1)
    whole, *parts = found.rows
    assert {(row.queue, row.priority): row.waits[RECORDED].count for row in parts} == {
        ("default", 1): 18, ("default", 2): 4, ("nightly", 1): 10,
    }  # fmt: skip
    held = next(row for row in parts if row.queue == "nightly")
    assert held.waits[RECORDED].p50 > 1.5
    assert held.waits[REPLAYED].p50 > 1.5
    assert whole.waits[REPLAYED].mean == pytest.approx(whole.waits[RECORDED].mean, rel=0.5)
    assert found.distrusted(whole) == []
    assert found.has_waited


# a made history


def put_history(database: Database, tasks: int) -> float:
    """Puts a cluster's work of the last days into the database, as it ran first come, first served; returns its begin.

    One agent is known, of the others there are attempts alone; one task was retried.
    """
    workload = cluster_log(0.9, seed=4, count=tasks)
    outcome = Simulation(workload, ACTING).run()
    begin = time.time() - max(map(sum, zip(outcome.starts, outcome.run_seconds, strict=True))) - 60
    days = int((time.time() - begin) / DAY) + 2
    rows = []
    for task, start in enumerate(outcome.starts):
        _, type_, creator, size = workload.key_names[workload.keys[task]]
        ready, started = begin + workload.ready[task], begin + start
        agent_id = f"{workload.agents[outcome.agents[task]].name}:boot"
        times = (ready, started, started + outcome.run_seconds[task])
        parts = (type_, creator.split("\n")[1], size.split("\n")[2])
        rows.append(
            (str(uuid.uuid4()), *parts, *times, agent_id, 3 if task % 50 == 0 else 1, outcome.run_seconds[task])
        )
    columns = [list(column) for column in zip(*rows, strict=True)]
    names = ("ids", "types", "creators", "sizes", "readies", "starts", "ends", "agents", "priorities", "seconds")
    with database.transaction() as tx:
        recovery.ensure_partitions(tx, datetime.now(UTC).date() - timedelta(days), days_ahead=days + 2)
        tx.rows(INSERT, dict(zip(names, columns, strict=True)))
        tx.rows(INSERT_AGENT, {"at": begin - 60})
    return begin


INSERT_AGENT = """
INSERT INTO agents (id, name, boot_id, kind, host, pid, types, tags, max_concurrency, state, registered_at)
VALUES ('agent-01:boot', 'agent-01', 'boot', 'k', 'h', 1, '{*}', '{}', 1, 'online', to_timestamp(%(at)s))
"""
INSERT = """
WITH given AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(types)s::text[], %(creators)s::text[], %(sizes)s::text[],
        %(readies)s::float8[], %(starts)s::float8[], %(ends)s::float8[], %(agents)s::text[], %(priorities)s::int[],
        %(seconds)s::float8[])
        AS g(id, type, created_by, size, ready, started, ended, agent_id, priority, seconds)
), new AS (
    INSERT INTO tasks (id, queue, type, state, priority, input, attempt, max_attempts, timeout_seconds, ready_at,
        created_by, assigned_agent_id, created_at, assigned_at, started_at, finished_at, size)
    SELECT id, 'default', type, 'completed', priority, '{}', 1, 3, 1e6, to_timestamp(ready), created_by, agent_id,
        to_timestamp(ready), to_timestamp(started), to_timestamp(started), to_timestamp(ended), size
    FROM given
)
INSERT INTO task_events (task_id, at, event, from_state, to_state, attempt, actor, agent_id, queue, type, wait_seconds,
    run_seconds)
SELECT id, to_timestamp(ended), 'completed', 'in_progress', 'completed', 1, 'dispatcher', agent_id, 'default', type,
    started - ready, seconds
FROM given
"""


def test_the_command_shows_record_replay_and_the_other_policy(engine: Engine, cli: Callable[..., Result]) -> None:
    put_history(engine.database, 3_000)
    done = cli("--from", "200d", "--policy", "learned", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["tasks"], found["agents"], found["is_cut"], found["has_waited"]) == (3_000, 10, False, True)
    whole, urgent, medium = found["rows"]
    assert (urgent["priority"], medium["priority"]) == (3, 1)
    for figure in ("mean", "p99", "longest"):
        record, replay = (medium["wait"][name][figure] for name in ("recorded", "replayed"))
        assert replay == pytest.approx(record, rel=0.1), figure
    assert whole["total"]["learned"]["mean"] < 0.9 * whole["total"]["replayed"]["mean"]
    assert urgent["wait"]["replayed"]["mean"] < urgent["wait"]["recorded"]["mean"]  # the record knew no priorities

    printed = cli("--from", "200d", "--policy", "learned")
    assert printed.exit_code == 0
    lines = printed.stdout.splitlines()
    assert lines[0].startswith("3,000 attempts from ")
    assert [line.split()[0] for line in lines[2:7]] == ["Wait", "recorded", "replayed", "learned", "change"]
    assert any(line.startswith("Queue default, priority urgent: 60 tasks") for line in lines)
    assert "not to be trusted" in printed.stdout  # of those that are urgent
    other = cli("--from", "200d", "--queue", "none-such")
    assert (other.exit_code, other.stdout[:20]) == (0, "no attempt ended fro")


def test_a_record_is_read_in_pages_and_cut_to_its_end(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = put_history(engine.database, 1_000)
    now = time.time()
    with engine.database.snapshot() as tx:
        whole, is_cut = replays.read_record(tx, begin - 60, now, no_progress)
    assert (len(whole.attempts), is_cut) == (1_000, False)
    monkeypatch.setattr(replays, "PAGE", 7)
    shares: list[float] = []
    with engine.database.snapshot() as tx:
        paged, _ = replays.read_record(tx, begin - 60, now, shares.append)
        cut, is_cut = replays.read_record(tx, begin - 60, now, no_progress, max_attempts=400)
    assert paged.attempts == whole.attempts
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert is_cut
    assert cut.attempts == whole.attempts[:400]
    assert cut.since == cut.attempts[-1].ended
    assert len(cut.earlier) > 0
    made = workload_of(cut)
    assert len(made) == 400
    at_load(made, 0.5)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--from", "soon"), "error: from: 'soon' is not accepted, expected an ISO 8601 time"),
        (("--from", "1h", "--to", "2h"), "error: from: '1h' is not accepted, expected a time before the end"),
        (("--policy", "best"), "Invalid value for '--policy'"),
        (("--queue", "a b|c"), "error: queue: 'a b|c' is not accepted"),
    ],
)
def test_bad_arguments_are_named(cli: Callable[..., Result], arguments: tuple[str, ...], problem: str) -> None:
    done = cli(*arguments)
    assert done.exit_code == exits.BAD_INPUT
    assert problem in done.stderr


def test_without_a_record_it_says_so(cli: Callable[..., Result]) -> None:
    assert cli("--from", "1h").stdout.startswith("no attempt ended from ")
    assert json.loads(cli("--from", "1h", "--json").stdout)["tasks"] == 0
