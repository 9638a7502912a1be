"""What holds for an attempt holds on every engine: a short set of the tests of slots, in seats of each of them.

On this host alone the same is tested in full, in `test_slots` and `test_engine_processes`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from taskyard.core.config import Settings
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.devtools.clusters.cluster import open_cluster
from taskyard.worker.engines.known import ENGINES, make_engine
from taskyard.worker.engines.settings import EngineSettings
from tests.engine import engine_for_processes
from tests.engine_extras import skip_without
from tests.engine_places import PLACES
from tests.integration.seat_bench import SeatBench
from tests.integration.slot_bench import Recorder, is_dead, lasting, pid_in
from tests.servers import wait_until

pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("ignore")]


def each_engine() -> list[Any]:
    """All engines; what uses Ray runs on one worker of xdist, since its clusters take the most memory."""
    names = sorted(set(ENGINES) - {"local"})
    return [pytest.param(name, marks=pytest.mark.xdist_group("ray" if name == "ray" else "others")) for name in names]


@pytest.fixture(scope="module", params=each_engine())
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineSettings]:
    """The engine of an agent whose seats come to a cluster on this host."""
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    with contextlib.ExitStack() as opened:
        if name in PLACES:
            yield opened.enter_context(PLACES[name](folder))
            return
        skip_without(name)
        redis_url = request.getfixturevalue("server_endpoints").redis_url
        yield opened.enter_context(open_cluster(name, folder, redis_url)).settings


def test_start_is_announced_once_and_before_the_handler_runs(
    place: EngineSettings, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Under a real leader, from an agent's process of its own; first, while no other agent has the cluster's seats."""
    ledger = tmp_path / "ledger"
    with engine_for_processes(settings, monkeypatch) as engine:
        with engine.pool(AgentSpec("far-1", "far", ("process.*", "thread.*"), (), 2, engine=place)):
            task_id = engine.submit("process.note", {"path": str(ledger), "seconds": 60})
            wait_until(lambda: ledger.exists() and ledger.read_text(), 60)
            assert engine.events(task_id).count("started") == 1
            engine.submitter.cancel(task_id, actor="me")
            again = engine.submit(
                "thread.note", {"path": str(ledger), "seconds": 60}, timeout_seconds=0.5, max_attempts=2
            )
            task = engine.wait_for(again, timeout_seconds=60)
            assert (task.state, task.attempt, task.error["class"]) == ("failed", 2, "timeout")
            logged = engine.submit("process.logs", {"number": 3})
            assert engine.wait_for(logged, timeout_seconds=60).state == "completed"
        assert [engine.events(one).count("started") for one in (task_id, again, logged)] == [1, 2, 1]
        assert engine.task(task_id).state == "cancelled"
    assert sorted(ledger.read_text().splitlines()) == sorted([f"{task_id} 1", f"{again} 1", f"{again} 2"])


@pytest.fixture(scope="module")
def shared(place: EngineSettings) -> Iterator[SeatBench]:
    bench = SeatBench(settings=place, make=make_engine)  # type: ignore[arg-type]
    yield bench
    bench.runners.close(kill=True)


@pytest.fixture
def bench(shared: SeatBench) -> Iterator[SeatBench]:
    yield shared
    for isolation in ("thread", "process", "async"):
        assert shared.value(f"{isolation}.noop", {"number": 7}) == {"number": 7}


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_progress_log_output_checkpoint_and_requests(bench: SeatBench, isolation: str) -> None:
    channel = Recorder(lambda message: "child-1" if message["kind"] == "submit" else None)
    value = bench.value(f"{isolation}.talk", {"value": [1, "é"]}, channel=channel, checkpoint='{"step":2}')
    assert value == {"value": ["child-1", {"step": 2}, 2]}
    assert channel.emitted == [
        {"kind": "progress", "fraction": 0.5, "message": "half"},
        {"kind": "log", "level": "warning", "message": "a line"},
        {"kind": "output", "level": "stdout", "message": "this goes to the log"},
    ]
    assert channel.requested == [
        {"kind": "checkpoint", "state": b'{"step":3}', "children": 0, "signals": {}},
        {"kind": "submit", "type": "demo.child", "input": b'{"a":1}', "options": {}, "key": ANY},
        {"kind": "send", "agent": "other", "message": {"hello": [1, "é"]}},
    ]


@pytest.mark.parametrize("handler", ["process.sleep", "thread.spin", "async.spin"])
def test_timeout(bench: SeatBench, handler: str) -> None:
    assert bench.failure(handler, {"seconds": 30}, timeout_seconds=0.5)[0] == "timeout"


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_cancelled_handler_may_clean_up(bench: SeatBench, tmp_path: Path, isolation: str) -> None:
    path = tmp_path / "state"
    started = bench.begin(f"{isolation}.wait_for_cancel", {"path": str(path)})
    wait_until(lambda: path.exists() and path.read_text() == "started")
    assert bench.runners.cancel(*started.pair)
    assert started.failure() == ("cancelled", f"task {started.run.task_id} was cancelled")
    assert path.read_text() == "cleaned up"


def test_handler_that_does_not_look_is_stopped_after_the_grace(bench: SeatBench) -> None:
    started = bench.begin("process.sleep", {"seconds": 30})
    wait_until(lambda: bench.runners.cancel(*started.pair))
    with lasting(1.5, 6):
        assert started.failure() == ("cancelled", "cancelled while it ran")


@pytest.mark.parametrize("end", ["return", "crash", "timeout"])
def test_grandchildren_end_with_their_attempt(bench: SeatBench, tmp_path: Path, end: str) -> None:
    path = tmp_path / end
    started = bench.begin("process.leave_grandchild", {"path": str(path)}, timeout_seconds=5.0)
    daemon = pid_in(path)
    done = started.end(30)
    assert done is not None
    assert (done.failure and done.failure.error_class) == {"return": None, "crash": "crashed", "timeout": "timeout"}[
        end
    ]
    wait_until(lambda: is_dead(daemon))
