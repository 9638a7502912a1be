"""Seats as batch jobs of a real Slurm: two nodes on this host, whose seats, slurmd and jobs are killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from taskyard.core.config import Settings
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.doctor.engines import engine_checks
from taskyard.worker.engines.settings import EngineSettings
from tests.engine import engine_for_processes
from tests.engine_places import slurm
from tests.integration.seat_bench import MakeBench, benches
from tests.integration.slot_bench import is_dead, pid_in
from tests.servers import wait_until
from tests.slurm_cluster import SlurmCluster, run

pytestmark = [pytest.mark.engines, pytest.mark.xdist_group("others"), pytest.mark.filterwarnings("ignore")]
Cluster = tuple[SlurmCluster, EngineSettings]
JOB_ENDS_SECONDS = 30


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with slurm(tmp_path_factory.mktemp("slurm")) as found:
        yield found


@pytest.fixture
def make_bench(cluster: Cluster) -> Iterator[MakeBench]:
    with benches(cluster[1]) as make:
        yield make
    wait_until(lambda: not run("squeue", "--noheader"), JOB_ENDS_SECONDS, "all jobs have ended")


def node_of(pid: int) -> str:
    return psutil.Process(pid).environ()["SLURMD_NODENAME"]


def test_seats_are_jobs_on_both_nodes(make_bench: MakeBench) -> None:
    bench = make_bench()
    for isolation in ("thread", "process", "async"):
        assert bench.value(f"{isolation}.noop", {"number": 7}) == {"number": 7}
    pids = [bench.value("thread.pid", slot=slot)["number"] for slot in (0, 1)]
    assert {node_of(psutil.Process(pid).ppid()) for pid in pids} == {"one", "two"}


def test_job_gets_its_seat_s_key_and_nothing_else_of_the_agent(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKYARD_DATABASE_URL", "postgresql://me:secret@db/taskyard")
    monkeypatch.setenv("SLURM_JOB_NAME", "of-another-job")
    bench = make_bench()
    bench.value("thread.noop", {"number": 1})
    keeper = psutil.Process(bench.seat().pid).parent()
    said = keeper.environ()
    assert "TASKYARD_SEAT_KEY" in said
    assert not any("secret" in value for value in said.values())
    assert said["SLURM_JOB_NAME"] == f"taskyard-seat-{bench.seat().id}"
    key = said["TASKYARD_SEAT_KEY"]
    job = said["SLURM_JOB_ID"]
    assert key not in run("scontrol", "show", "job", "--details", job) + run(
        "scontrol", "write", "batch_script", job, "-"
    )


def test_third_seat_waits_and_says_why(make_bench: MakeBench) -> None:
    others = make_bench()
    for slot in (0, 1):
        others.value("thread.noop", {"number": 1}, slot=slot)
    bench = make_bench(wait_seconds=6.0)
    reason = bench.runners.reserve(0, "thread.noop", lambda: True)
    assert reason.startswith("no seat came within 6 s: Slurm: job ")
    assert reason.endswith((" is PENDING: Resources", " is PENDING: Priority"))


def test_what_slurm_refuses_is_told_in_its_words(make_bench: MakeBench) -> None:
    bench = make_bench(gpus=1.0, wait_seconds=2.0)
    expected = "Slurm: Batch job submission failed: Requested node configuration is not available"
    assert bench.runners.reserve(0, "thread.noop", lambda: True) == f"no seat came within 2 s: {expected}"
    bench = make_bench(options={"arguments": ["--partition=none"]}, wait_seconds=2.0)
    assert "Invalid partition name specified" in bench.runners.reserve(0, "thread.noop", lambda: True)


def test_job_that_fails_is_told(make_bench: MakeBench) -> None:
    bench = make_bench(options={"python": "/no/such/python"}, wait_seconds=8.0)
    assert "is FAILED: NonZeroExitCode" in bench.runners.reserve(0, "thread.noop", lambda: True)


@pytest.mark.parametrize("victim", ["handler", "seat", "job", "node"])
def test_death(cluster: Cluster, make_bench: MakeBench, tmp_path: Path, victim: str) -> None:
    slurm, _ = cluster
    bench = make_bench()
    path = tmp_path / "pid"
    started = bench.begin("process.leave_grandchild", {"path": str(path)})
    daemon, seat = pid_in(path), bench.seat()
    keeper = psutil.Process(seat.pid).parent()
    node = node_of(keeper.pid)
    if victim == "handler":
        [server] = [one for one in psutil.Process(seat.pid).children() if "fork_server" in " ".join(one.cmdline())]
        [handler] = [one for one in server.children() if one.pid != daemon]
        handler.kill()
    elif victim == "seat":
        os.kill(seat.pid, signal.SIGKILL)
    elif victim == "job":
        run("scancel", keeper.environ()["SLURM_JOB_ID"])
    else:
        slurm.kill_node(node)
    try:
        assert started.failure()[0] == "crashed"
        wait_until(lambda: is_dead(daemon))
        assert bench.value("process.noop", {"number": 3}) == {"number": 3}
    finally:
        if victim == "node":
            slurm.start_node(node)
            wait_until(lambda: "down" not in slurm.states() and "*" not in slurm.states(), JOB_ENDS_SECONDS)


def test_no_attempt_runs_twice_whatever_dies(
    settings: Settings, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A real leader and an agent with an engine; jobs are cancelled and run again by Slurm, the agent is killed."""
    ledger = tmp_path / "ledger"
    with engine_for_processes(settings, monkeypatch) as engine:
        spec = AgentSpec("far-1", "far", ("process.*", "thread.*"), (), 2, engine=cluster[1])
        with engine.pool(spec):
            task = {"type": "process.note", "input": {"path": str(ledger), "seconds": 0.5}, "max_attempts": 9}
            ids = engine.submitter.submit_many([task] * 30)
            for victim in ("job", "requeued", "agent"):
                before = _lines(ledger)
                wait_until(lambda before=before: _lines(ledger) > before + 3, 60)
                jobs = run("squeue", "--noheader", "--states=running", "--format=%A").split()
                if victim == "agent":
                    [agent] = engine.online()
                    os.kill(agent.pid, signal.SIGKILL)
                elif victim == "job":
                    run("scancel", jobs[0])
                else:  # an operator has Slurm run it again, against our wish
                    run("scontrol", "update", f"JobId={jobs[0]}", "Requeue=1")
                    run("scontrol", "requeue", jobs[0])
            engine.wait_for_all(ids, timeout_seconds=120)
    assert {engine.task(task_id).state for task_id in ids} == {"completed"}
    starts = ledger.read_text().splitlines()
    assert len(starts) == len(set(starts))
    assert len(starts) > len(ids)
    wait_until(lambda: not run("squeue", "--noheader"), JOB_ENDS_SECONDS, "nothing is left in the queue")


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_doctor_says_what_is_reached(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    _, settings = cluster
    spec = AgentSpec("a-1", "a", ("*",), (), 1, engine=settings)
    [found] = engine_checks([spec])
    assert found.ok
    assert found.found.startswith("slurm")
    assert "is reached: all up 2 nodes" in found.found
    monkeypatch.setenv("SLURM_CONF", "/no/such/slurm.conf")
    [found] = engine_checks([spec])
    assert not found.ok
    assert found.found.startswith("Slurm: ")
