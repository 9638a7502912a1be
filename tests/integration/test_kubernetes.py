"""Seats as Jobs: the official client against a Kubernetes of the tests, which starts every pod twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml
from msgspec.structs import replace

from taskyard.core.config import Settings
from taskyard.core.errors import ConfigurationError
from taskyard.worker.agents.pool_config import AgentSpec, load_pool
from taskyard.worker.doctor.engines import engine_checks
from taskyard.worker.engines.engine import EngineProblem, RemoteEngine
from taskyard.worker.engines.known import make_engine
from taskyard.worker.engines.settings import EngineSettings
from tests.engine import engine_for_processes
from tests.engine_places import kubernetes, small_nodes
from tests.integration.seat_bench import MakeBench, SeatBench, benches
from tests.integration.slot_bench import is_dead, pid_in
from tests.kubernetes_api import KubernetesApi
from tests.kubernetes_nodes import Node
from tests.servers import wait_until

pytestmark = [pytest.mark.engines, pytest.mark.xdist_group("others"), pytest.mark.filterwarnings("ignore")]
Cluster = tuple[KubernetesApi, EngineSettings]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with kubernetes(tmp_path) as found:
        yield found


@pytest.fixture
def make_bench(cluster: Cluster) -> Iterator[MakeBench]:
    with benches(cluster[1]) as make:
        yield make


def test_pod_that_is_started_twice_is_one_seat(cluster: Cluster, make_bench: MakeBench) -> None:
    api, _ = cluster
    bench = make_bench()
    for isolation in ("thread", "process", "async"):
        assert bench.value(f"{isolation}.noop", {"number": 7}) == {"number": 7}
    assert len(bench.runners.links) == 1
    wait_until(lambda: "its id is not expected" in api.said())


def test_seat_leaves_nothing_in_the_cluster(cluster: Cluster, make_bench: MakeBench) -> None:
    api, _ = cluster
    bench = make_bench(runs_per_seat=1)
    first = bench.value("thread.pid")["number"]
    bench.runners.release(0)
    assert bench.value("thread.pid")["number"] != first
    bench.runners.release(0)
    wait_until(lambda: not api.jobs and not api.secrets)
    wait_until(lambda: not any(pod.pids() for pod in api.pods.values()))


def test_job_is_what_keeps_kubernetes_from_meddling(cluster: Cluster, make_bench: MakeBench) -> None:
    api, _ = cluster
    bench = make_bench(cpus=0.5, memory_mib=256)
    bench.value("thread.noop", {"number": 1})
    [(name, job)] = api.jobs.items()
    spec, pod = job["spec"], job["spec"]["template"]
    assert (spec["backoffLimit"], pod["spec"]["restartPolicy"]) == (0, "Never")
    assert spec["ttlSecondsAfterFinished"] > 0
    assert pod["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    [container] = pod["spec"]["containers"]
    assert container["resources"] == {"requests": {"cpu": "0.5", "memory": "256Mi"}, "limits": {"memory": "256Mi"}}
    key = api.secrets[name]["stringData"]["TASKYARD_SEAT_KEY"]
    assert key not in yaml.safe_dump(job)
    [owner] = api.secrets[name]["metadata"]["ownerReferences"]
    assert owner["uid"] == job["metadata"]["uid"]


def test_why_a_pod_is_not_placed_is_told_in_kubernetes_words(cluster: Cluster, make_bench: MakeBench) -> None:
    bench = make_bench(gpus=1.0, wait_seconds=4.0)
    expected = "no seat came within 4 s: Kubernetes: 0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
    assert bench.runners.reserve(0, "thread.noop", lambda: True) == expected


def test_seat_comes_once_a_node_has_what_it_needs(cluster: Cluster, make_bench: MakeBench) -> None:
    api, _ = cluster
    bench = make_bench(gpus=1.0)
    started = bench.begin("thread.noop", {"number": 3})
    wait_until(lambda: "Insufficient nvidia.com/gpu" in bench.runners.state().why_none("kubernetes"))
    with api.lock:
        api.nodes["big"] = Node("big", {"cpu": 1.0, "nvidia.com/gpu": 1.0})
    done = started.end()
    assert done is not None
    assert done.failure is None


def test_why_no_pod_is_made_is_told_from_the_events(cluster: Cluster, make_bench: MakeBench) -> None:
    api, _ = cluster
    api.quota = 0
    bench = make_bench(wait_seconds=4.0)
    assert bench.runners.reserve(0, "thread.noop", lambda: True).endswith("is forbidden: exceeded quota: of-tests")


def test_container_that_fails_is_told_with_its_last_line(
    cluster: Cluster, make_bench: MakeBench, tmp_path: Path
) -> None:
    template = tmp_path / "pod.yaml"
    template.write_text("spec: {containers: [{name: seat, command: [/bin/false]}]}")
    api, settings = cluster
    bench = make_bench(wait_seconds=4.0, options={**settings.options, "template": str(template)})
    assert "Kubernetes: its container ended with exit code 1" in bench.runners.reserve(0, "thread.noop", lambda: True)
    bench.runners.close(kill=True)
    assert api.jobs  # for those who look for the cause
    assert all(job["status"]["conditions"][0]["type"] == "Failed" for job in api.jobs.values())


def test_what_the_api_refuses_is_told_in_its_words(cluster: Cluster, make_bench: MakeBench) -> None:
    api, _ = cluster
    api.forbidden.add(("create", "jobs"))
    bench = make_bench(wait_seconds=2.0)
    assert 'jobs is forbidden: User "seats" cannot create' in bench.runners.reserve(0, "thread.noop", lambda: True)
    wait_until(lambda: not api.secrets)  # of a Job that was not made


def test_api_that_is_gone_for_a_while(cluster: Cluster, make_bench: MakeBench) -> None:
    api, _ = cluster
    bench = make_bench()
    api.forbidden.add(("list", "jobs"))
    assert bench.value("thread.noop", {"number": 1}) == {"number": 1}  # seats come although nobody can look
    api.forbidden.clear()
    assert bench.value("thread.noop", {"number": 2}, slot=1) == {"number": 2}


@pytest.mark.parametrize("victim", ["handler", "seat", "pod", "node"])
def test_death(cluster: Cluster, make_bench: MakeBench, tmp_path: Path, victim: str) -> None:
    api, _ = cluster
    bench = make_bench()
    path = tmp_path / "pid"
    started = bench.begin("process.leave_grandchild", {"path": str(path)})
    daemon, seat = pid_in(path), bench.seat()
    if victim == "handler":
        [server] = [one for one in psutil.Process(seat.pid).children() if "fork_server" in " ".join(one.cmdline())]
        [handler] = [one for one in server.children() if one.pid != daemon]
        handler.kill()
    elif victim == "seat":
        os.kill(seat.pid, signal.SIGKILL)
    elif victim == "pod":
        api.kill_pod(seat.id)
    else:
        pod = next(one for one in api.pods.values() if one.job.endswith(seat.id))
        api.kill_node(pod.node)
    assert started.failure()[0] == "crashed"
    if victim != "node":
        wait_until(lambda: is_dead(daemon))
    assert bench.value("process.noop", {"number": 3}) == {"number": 3}


def test_no_attempt_runs_twice_whatever_dies(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A real leader, an agent with an engine, every pod started twice, and deaths of pods, a node and the agent."""
    ledger = tmp_path / "ledger"
    nodes = (*small_nodes(), Node("three", {"cpu": 2.0, "memory": float(1 << 30)}))
    with kubernetes(tmp_path, *nodes) as (api, place), engine_for_processes(settings, monkeypatch) as engine:
        spec = AgentSpec("far-1", "far", ("process.*", "thread.*"), (), 3, engine=place)
        with engine.pool(spec):
            task = {"type": "process.note", "input": {"path": str(ledger), "seconds": 0.5}, "max_attempts": 9}
            ids = engine.submitter.submit_many([task] * 40)
            for victim in ("pod", "node", "agent", "pod"):
                before = len(ledger.read_text().splitlines()) if ledger.exists() else 0
                wait_until(lambda before=before: _lines(ledger) > before + 3, 60)
                if victim == "agent":
                    [agent] = engine.online()
                    os.kill(agent.pid, signal.SIGKILL)
                elif victim == "node":
                    api.kill_node("one")
                else:
                    with api.lock:
                        pod = next(one for one in api.pods.values() if one.pids())
                        pod.kill()
            engine.wait_for_all(ids, timeout_seconds=120)
        assert "its id is not expected" in api.said()
    assert {engine.task(task_id).state for task_id in ids} == {"completed"}
    starts = ledger.read_text().splitlines()
    assert len(starts) == len(set(starts))  # no attempt was executed twice
    assert len(starts) > len(ids)  # some were lost


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_doctor_says_what_is_reached_and_what_is_not_permitted(cluster: Cluster) -> None:
    api, settings = cluster
    spec = AgentSpec("a-1", "a", ("*",), (), 1, engine=settings)
    [found] = engine_checks([spec])
    assert found.ok
    assert f"Kubernetes v1.31.0 at {api.url} is reached, namespace jobs" in found.found
    api.forbidden.add(("create", "secrets"))
    [found] = engine_checks([spec])
    assert (found.ok, found.found) == (False, "Kubernetes does not let us create secrets in namespace jobs")
    api.close()
    [found] = engine_checks([spec])
    assert (found.ok, found.found.startswith("Kubernetes is not reached: ")) == (False, True)


def opened(settings: EngineSettings) -> None:
    engine = make_engine(settings)
    assert isinstance(engine, RemoteEngine)
    engine.reach()


def test_unknown_context_is_one_clear_line(cluster: Cluster) -> None:
    _, settings = cluster
    with pytest.raises(EngineProblem, match=r"engine\.address: 'other' can't be used: .*other"):
        opened(replace(settings, address="other"))
    with pytest.raises(EngineProblem, match=r"engine\.address: 'in-cluster' can't be used"):
        opened(replace(settings, address="in-cluster"))


def test_template_of_a_pod_is_kept_but_for_what_seats_need(cluster: Cluster, tmp_path: Path) -> None:
    template = tmp_path / "pod.yaml"
    template.write_text(
        "metadata: {labels: {team: a}, annotations: {note: kept}}\n"
        "spec:\n  restartPolicy: Always\n  nodeSelector: {disk: ssd}\n"
        "  containers: [{name: log}, {name: seat, image: 'own:1', command: [/opt/python], args: [x],"
        " env: [{name: A, value: b}], resources: {requests: {cpu: '4', ephemeral-storage: 1Gi}}}]\n"
    )
    pool = tmp_path / "pool.toml"
    pool.write_text(
        f'[[agents]]\nkind = "a"\ntypes = ["*"]\n[agents.engine]\nname = "kubernetes"\naddress = "tests"\ncpus = 2\n'
        f'options = {{ template = "{template}" }}\n'
    )
    [spec] = load_pool(pool)
    assert spec.engine is not None
    bench = SeatBench(settings=spec.engine, make=make_engine)  # type: ignore[arg-type]
    api, _ = cluster
    try:
        bench.begin("thread.noop")
        pod = wait_until(lambda: [*api.jobs.values()])[0]["spec"]["template"]
    finally:
        bench.runners.close(kill=True)
    assert (pod["metadata"]["labels"]["team"], pod["metadata"]["annotations"]["note"]) == ("a", "kept")
    assert (pod["spec"]["restartPolicy"], pod["spec"]["nodeSelector"]) == ("Never", {"disk": "ssd"})
    seat = pod["spec"]["containers"][1]
    assert (seat["image"], seat["command"][:2], "args" in seat) == ("own:1", ["/opt/python", "-m"], False)
    assert seat["env"][0] == {"name": "A", "value": "b"}
    assert seat["resources"]["requests"] == {"cpu": "2", "ephemeral-storage": "1Gi"}
    template.write_text("spec: {containers: []}")
    with pytest.raises(ConfigurationError, match="expected a Pod: a table `spec` with a list `containers`"):
        load_pool(pool)
