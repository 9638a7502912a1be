"""Agents of the chart whose tasks run in seats: the adapter uses what is rendered, on a Kubernetes of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from taskyard.worker.agents.pool_config import load_pool
from taskyard.worker.engines.kubernetes_job import IN_CLUSTER
from taskyard.worker.engines.settings import EngineSettings
from tests.deploy.charts import manifests_of, template
from tests.engine_places import kubernetes
from tests.integration.seat_bench import MakeBench, benches
from tests.kubernetes_api import CONTEXT, KubernetesApi
from tests.servers import wait_until

VALUES = """
imagePullSecrets: [{name: registry}]
networkPolicy:
  kubernetesApi: {to: [{ipBlock: {cidr: 10.0.0.1/32}}]}
agents:
  plain: {types: [code.*]}
  reports:
    types: [reports.*]
    slots: 20
    image: acme/agent:7
    engine:
      {name: kubernetes, cpus: 0.5, memory_mib: 256, runs_per_seat: 1, options: {image: "acme/reports:7"}}
    seats:
      env: [{name: REPORTS, value: /scratch}]
      nodeSelector: {disk: ssd}
      volumes: [{name: scratch, emptyDir: {}}]
      volumeMounts: [{name: scratch, mountPath: /scratch}]
"""
NAME, SPACE = "yard-agent-reports", "jobs"

pytestmark = [pytest.mark.engines, pytest.mark.xdist_group("others"), pytest.mark.filterwarnings("ignore")]
Manifests = dict[tuple[str, str], Any]
Pod = tuple[str, dict[str, str]]  # namespace and labels


@pytest.fixture(scope="module")
def manifests(helm: str, tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    done = template(helm, tmp_path_factory.mktemp("rendered"), VALUES)
    assert done.returncode == 0, done.stderr
    return manifests_of(done.stdout)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[KubernetesApi]:
    with kubernetes(tmp_path) as (api, _):
        yield api


@pytest.fixture
def settings(manifests: Manifests, tmp_path: Path) -> EngineSettings:
    """The engine of the rendered pool file, which is read as the agent's pod reads it."""
    files = manifests["ConfigMap", NAME]["data"]
    for name, text in files.items():
        (tmp_path / name).write_text(text.replace("/etc/taskyard", str(tmp_path)), "utf-8")
    [spec] = load_pool(tmp_path / "pool.toml")
    assert (spec.kind, spec.max_concurrency) == ("reports", 20)
    assert spec.engine is not None
    return spec.engine


@pytest.fixture
def make_bench(settings: EngineSettings, cluster: KubernetesApi) -> Iterator[MakeBench]:
    with benches(replace(settings, address=CONTEXT, listen="127.0.0.1:0", wait_seconds=60.0)) as make:
        yield make


def test_role_allows_what_the_adapter_calls_and_nothing_else(
    manifests: Manifests, cluster: KubernetesApi, make_bench: MakeBench
) -> None:
    from taskyard.worker.engines.kubernetes_engine import NEEDED  # needs the package

    bench = make_bench()
    bench.value("thread.noop", {"number": 1})
    bench.runners.release(0)
    cluster.quota = 0
    bench.begin("thread.noop", {"number": 2})
    wait_until(lambda: "exceeded quota" in bench.runners.state().why_none("kubernetes"))
    bench.runners.close(kill=True)
    wait_until(lambda: not cluster.jobs and not cluster.secrets)
    allowed = {
        (group, resource, verb)
        for rule in manifests["Role", NAME]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert allowed == cluster.calls
    assert allowed == set(NEEDED), "what `taskyard doctor` asks for"
    assert manifests["RoleBinding", NAME]["roleRef"]["name"] == NAME


def pod_of(manifests: Manifests, name: str) -> Pod:
    return SPACE, manifests["Deployment", name]["spec"]["template"]["metadata"]["labels"]


def is_selected(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    for one in selector.get("matchExpressions", []):
        if one["key"] not in labels or labels[one["key"]] not in one.get("values", [labels[one["key"]]]):
            return False
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def is_peer(peer: dict[str, Any], pod: Pod) -> bool:
    space, labels = pod
    spaces = peer.get("namespaceSelector", {}).get("matchLabels", {"kubernetes.io/metadata.name": SPACE})
    return spaces == {"kubernetes.io/metadata.name": space} and is_selected(peer.get("podSelector", {}), labels)


def ports(manifests: Manifests, pod: Pod, other: Pod, way: str) -> set[int]:
    """To which ports one pod may connect of another ("egress"), or on which it hears that one ("ingress")."""
    found: set[int] = set()
    for (kind, _), policy in manifests.items():
        if kind != "NetworkPolicy" or policy["metadata"].get("namespace", SPACE) != pod[0]:
            continue
        if not is_selected(policy["spec"]["podSelector"], pod[1]):
            continue
        for rule in policy["spec"].get(way, []):
            peers = rule.get({"egress": "to", "ingress": "from"}[way])
            if peers is None or any(is_peer(peer, other) for peer in peers):
                found |= {port["port"] for port in rule["ports"]}
    return found


def test_seat_comes_to_the_desk_of_its_kind_and_to_nothing_else(
    manifests: Manifests, cluster: KubernetesApi, make_bench: MakeBench, settings: EngineSettings
) -> None:
    make_bench().value("thread.noop", {"number": 1})
    [job] = cluster.jobs.values()
    seat: Pod = (SPACE, job["spec"]["template"]["metadata"]["labels"])
    agent, desk = pod_of(manifests, NAME), int(settings.listen.rpartition(":")[2])
    assert ports(manifests, seat, agent, "egress") == {desk}
    assert ports(manifests, agent, seat, "ingress") == {desk, 9464}
    [container] = manifests["Deployment", NAME]["spec"]["template"]["spec"]["containers"]
    assert {"name": "desk", "containerPort": desk} in container["ports"]
    strangers: list[Pod] = [pod_of(manifests, name) for name in ("yard-agent-plain", "yard-worker", "yard-dashboard")]
    strangers += [(SPACE, {"app": "other"}), ("elsewhere", seat[1])]
    for other in strangers:
        assert desk not in ports(manifests, agent, other, "ingress"), other
        assert not ports(manifests, seat, other, "egress"), other
        assert not ports(manifests, seat, other, "ingress"), other
    assert not ports(manifests, seat, agent, "ingress")
    rules = manifests["NetworkPolicy", "yard-desk-reports"]["spec"]["egress"]
    assert rules == [{"ports": [{"port": 443}, {"port": 6443}], "to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}]


def test_what_tasks_reach_is_reached_by_seats(helm: str, tmp_path: Path) -> None:
    rule = {"ports": [{"port": 443}]}
    done = template(helm, tmp_path, VALUES, "--set-json", "networkPolicy.agentEgress=" + '[{"ports": [{"port": 443}]}]')
    found = manifests_of(done.stdout)["NetworkPolicy", "yard-seat-reports"]["spec"]["egress"]
    assert found[-1] == rule
    assert {port["port"] for port in found[1]["ports"]} == {53}


def test_seats_are_as_confined_as_agents(
    manifests: Manifests, cluster: KubernetesApi, make_bench: MakeBench, settings: EngineSettings
) -> None:
    assert settings.address == IN_CLUSTER
    make_bench().value("thread.noop", {"number": 1})
    [job] = cluster.jobs.values()
    pod = job["spec"]["template"]["spec"]
    agent = manifests["Deployment", "yard-agent-plain"]["spec"]["template"]["spec"]
    assert pod["securityContext"] == agent["securityContext"]
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["nodeSelector"] == {"disk": "ssd"}
    assert pod["automountServiceAccountToken"] is False
    [seat], [plain] = pod["containers"], agent["containers"]
    assert seat["securityContext"] == plain["securityContext"]
    assert seat["image"] == "acme/reports:7"
    assert seat["resources"] == {"requests": {"cpu": "0.5", "memory": "256Mi"}, "limits": {"memory": "256Mi"}}
    assert {mount["mountPath"] for mount in seat["volumeMounts"]} == {"/tmp", "/var/lib/taskyard", "/scratch"}
    assert {mount["name"] for mount in seat["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert seat["env"][0] == {"name": "REPORTS", "value": "/scratch"}
    assert "acme/agent:7" in yaml.safe_dump(manifests["Deployment", NAME])
