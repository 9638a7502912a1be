"""Replays of what a real installation recorded, and of a made history, by the command too."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from taskyard.core.access.identity import local_actor
from taskyard.core.errors import TransientError
from taskyard.core.postgres.store import replays
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.simulation.record import workload_of
from taskyard.core.simulation.replay import RECORDED, REPLAYED
from taskyard.core.simulation.simulate import no_progress
from taskyard.core.simulation.workload import at_load
from taskyard.core.submission import authorized_controls
from taskyard.core.views.replays import replayed
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.cli import exits
from taskyard.worker.cli.app import app
from tests.engine import NO_BACKOFF, Engine, Payload
from tests.made_history import ACTING, put_history
from tests.servers import wait_until

RUN_SECONDS = 0.1


@pytest.fixture
def cli(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    settings = engine.settings
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, ["replay", *arguments], prog_name="taskyard")


def sleep(given: Payload, context: TaskContext) -> Payload:
    time.sleep(getattr(given, "seconds", RUN_SECONDS))
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
    assert (other.exit_code, other.stdout[:41]) == (0, "no attempt of queue none-such ended from ")
    assert other.stdout.endswith(", only of other queues\n")
    none = json.loads(cli("--from", "200d", "--queue", "none-such", "--json").stdout)
    assert (none["tasks"], none["rows"], none["is_of_others"]) == (0, [], True)


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
    for options in ((), ("--queue", "none-such")):
        printed = cli("--from", "1h", *options).stdout
        assert printed.startswith("no attempt ended from ")
        assert "other queues" not in printed
        found = json.loads(cli("--from", "1h", *options, "--json").stdout)
        assert (found["tasks"], found["is_of_others"]) == (0, False)


def test_a_queue_of_which_attempts_only_began_before_the_span_has_none(engine: Engine) -> None:
    """Such an attempt takes its slot, and is not counted."""
    engine.define("r.sleep", sleep)
    engine.worker()
    engine.agent(max_concurrency=2)
    long = engine.submit("r.sleep", {"seconds": 1.0}, queue="nightly")
    wait_until(lambda: engine.task(long).state == "in_progress")
    time.sleep(0.2)
    began = time.time()
    engine.wait_for_all([long, engine.submit("r.sleep")])
    found = replayed(engine.database, ACTING, began, time.time() + 1, "learned", "nightly")
    assert (found.replay, found.is_of_others) == (None, True)
    other = replayed(engine.database, ACTING, began, time.time() + 1, "learned", "default").replay
    assert other is not None
    assert other.tasks == 1
