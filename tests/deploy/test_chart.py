"""The chart as helm renders it: valid for Kubernetes, confined, and scaled by what the worker says."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from taskyard.worker.agents.pool_config import load_kinds
from tests.deploy.charts import CHART, lacking, manifests_of, template
from tests.servers import REPOSITORY

VALIDATOR = "kubernetes-validate==1.37.0"
FOREIGN = {"ScaledObject", "ServiceMonitor", "PodMonitor"}  # kinds of operators, of which the validator has no schema
VALUES = """
serviceMonitor: {enabled: true, labels: {release: prom}}
graceSeconds: 300
agents:
  worker: {types: ["*"]}
  gpu:
    types: [train.*]
    tags: [gpu]
    slots: 1
    keda: {enabled: true, max: 9}
    image: acme/train:7
    resources: {limits: {nvidia.com/gpu: "1"}}
  reports:
    types: [reports.*]
    engine: {name: kubernetes, options: {namespace: seats}}
"""
OF_SEATS = {"ServiceAccount", "Role", "RoleBinding"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rendered(helm: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    done = template(helm, tmp_path_factory.mktemp("rendered"), VALUES)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def manifests(rendered: str) -> dict[tuple[str, str], Any]:
    return manifests_of(rendered)


def test_helm_has_nothing_against_it(helm: str) -> None:
    for values in (
        [],
        ["--set", "serviceMonitor.enabled=true,agents.coder.types={code.*},agents.coder.keda.enabled=true"],
    ):
        done = subprocess.run(
            [helm, "lint", "--strict", str(CHART), *values], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_manifests_fit_the_schemas_of_kubernetes(rendered: str, tmp_path: Path) -> None:
    file = tmp_path / "rendered.yaml"
    file.write_text(rendered, "utf-8")
    uv = REPOSITORY / ".venv" / "bin" / "uv"
    command = [
        str(uv),
        "tool",
        "run",
        "--system-certs",
        "--from",
        VALIDATOR,
        "kubernetes-validate",
        "--strict",
        str(file),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    said = done.stdout + done.stderr
    if "passed for resource" not in said and "ERROR" not in said:
        lacking(f"uv can't run {VALIDATOR}: {said.strip()[-500:]}")
    assert done.returncode == 0, said
    unknown = {line.split("for kind ")[1].split()[0] for line in said.splitlines() if "Couldn't find schema" in line}
    assert unknown == FOREIGN


def pods(manifests: dict[tuple[str, str], Any]) -> dict[str, Any]:
    return {
        name: one["spec"]["template"]["spec"]
        for (kind, name), one in manifests.items()
        if kind in ("Deployment", "Job")
    }


def test_pods_are_confined(manifests: dict[tuple[str, str], Any]) -> None:
    found = pods(manifests)
    assert set(found) == {
        "yard-worker", "yard-agent-worker", "yard-agent-gpu", "yard-agent-reports", "yard-dashboard", "yard-api",
        "yard-migrate",
    }  # fmt: skip
    for name, pod in found.items():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["automountServiceAccountToken"] is (name == "yard-agent-reports"), name
        [container] = pod["containers"]
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"], name
        assert security["capabilities"] == {"drop": ["ALL"]}, name
        assert not security["allowPrivilegeEscalation"], name
        assert container["resources"]["limits"]["memory"], name
        assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/tmp", "/var/lib/taskyard"}, name


def test_secrets_are_referred_to_and_agents_get_redis_alone(manifests: dict[tuple[str, str], Any]) -> None:
    for name, pod in pods(manifests).items():
        variables = {one["name"]: one for one in pod["containers"][0]["env"]}
        reference = variables["TASKYARD_REDIS_URL"]["valueFrom"]["secretKeyRef"]
        assert reference == {"name": "taskyard", "key": "TASKYARD_REDIS_URL"}, name
        assert ("TASKYARD_DATABASE_URL" in variables) is ("agent" not in name), name


def test_pods_have_time_to_finish_and_probes(manifests: dict[tuple[str, str], Any]) -> None:
    for name, pod in pods(manifests).items():
        [container] = pod["containers"]
        if name == "yard-migrate":
            continue
        probes = [container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")]
        assert probes == ["/healthz", "/healthz", "/healthz" if name == "yard-dashboard" else "/readyz"], name
        if name not in ("yard-dashboard", "yard-api"):
            assert pod["terminationGracePeriodSeconds"] == 300 + 15, name
            assert {"name": "TASKYARD_GRACE_SECONDS", "value": "300"} in container["env"], name


def test_workers_are_apart_and_never_all_away(manifests: dict[tuple[str, str], Any]) -> None:
    deployment = manifests["Deployment", "yard-worker"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["replicas"] == 2
    budget = manifests["PodDisruptionBudget", "yard-worker"]["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"].items() <= labels.items()
    [term] = deployment["template"]["spec"]["affinity"]["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["podAffinityTerm"]["labelSelector"]["matchLabels"].items() <= labels.items()


def test_a_kind_is_scaled_by_what_a_worker_says_of_it(manifests: dict[tuple[str, str], Any]) -> None:
    assert ("ScaledObject", "yard-agent-worker") not in manifests
    spec = manifests["ScaledObject", "yard-agent-gpu"]["spec"]
    assert spec["maxReplicaCount"] == 9
    [trigger] = spec["triggers"]
    assert trigger["metadata"] == {
        "url": "http://yard-worker.jobs:9464/scale",
        "valueLocation": "gpu.wanted",
        "targetValue": "1",
    }
    assert manifests["Service", "yard-worker"]["spec"]["ports"][0]["port"] == 9464
    assert "replicas" not in manifests["Deployment", "yard-agent-gpu"]["spec"]
    [container] = pods(manifests)["yard-worker"]["containers"]
    hosts = next(one["value"] for one in container["env"] if one["name"] == "TASKYARD_METRICS_HOSTS")
    assert "yard-worker.jobs" in hosts.split(",")


def test_pool_files_are_those_of_the_kinds(manifests: dict[tuple[str, str], Any]) -> None:
    def agents(name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = tomllib.loads(manifests["ConfigMap", name]["data"]["pool.toml"])["agents"]
        return found

    gpu = {"kind": "gpu", "types": ["train.*"], "tags": ["gpu"], "max_concurrency": 1}
    assert agents("yard-agent-gpu") == [gpu]
    worker = {"kind": "worker", "types": ["*"], "tags": [], "max_concurrency": 3}
    reports = {"kind": "reports", "types": ["reports.*"], "tags": [], "max_concurrency": 3, "count": 0}
    assert agents("yard-worker") == [{**gpu, "count": 0}, reports, {**worker, "count": 0}]


def test_only_agents_with_an_engine_may_ask_kubernetes(
    manifests: dict[tuple[str, str], Any], helm: str, tmp_path: Path
) -> None:
    assert {name for kind, name in manifests if kind in OF_SEATS} == {"yard-agent-reports"}
    assert pods(manifests)["yard-agent-reports"]["serviceAccountName"] == "yard-agent-reports"
    [subject] = manifests["RoleBinding", "yard-agent-reports"]["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": "yard-agent-reports", "namespace": "jobs"}
    for kind in ("Role", "RoleBinding"):
        assert manifests[kind, "yard-agent-reports"]["metadata"]["namespace"] == "seats"
    assert all("serviceAccountName" not in pod for name, pod in pods(manifests).items() if name != "yard-agent-reports")
    without = template(helm, tmp_path, "agents: {worker: {types: ['*']}}")
    assert not {kind for kind, _ in manifests_of(without.stdout)} & OF_SEATS
    assert "7070" not in without.stdout
    assert "seat" not in without.stdout


def test_what_cannot_work_is_refused(helm: str, tmp_path: Path) -> None:
    for values, expected in (
        ("agents: {a_b: {types: [x]}}", "a_b"),
        ("agents: {ab: {types: []}}", "types"),
        ("settings: {DATABASE_URL: x}", "DATABASE_URL"),
        ("dashboard: {auth: loopback}", "auth"),
        ("agents: {ab: {types: [x], engine: {name: ray}}}", "name"),
        ("agents: {ab: {types: [x], engine: {name: kubernetes, cpu: 1}}}", "cpu"),
        ("agents: {ab: {types: [x], engine: {name: kubernetes, options: {template: x}}}}", "template"),
        ("agents: {ab: {types: [x], engine: {cpus: 1}}}", "agents.ab.engine: it has no name"),
        ("agents: {ab: {types: [x], keda: {min: 21}}}", "agents.ab.keda: min 21 is above max 20"),
        ("image: {tag: 20161216}", "image.tag: a number is not accepted"),
        ("image: {tag: 1.10}", "put it in quotes"),
        ("settings: {TASKYARD_GRACE_SECONDS: '9'}", "settings.TASKYARD_GRACE_SECONDS: not accepted: use graceSeconds"),
        ("settings: {TASKYARD_DATABASE_URL: x}", "secretName"),
        ("agents: {ab: {types: [x], env: [{name: TASKYARD_METRICS_PORT, value: '1'}]}}", "agents.ab.env"),
        ("agents: {ab: {types: [x], env: [{name: MINE, value: 1}]}}", "got number, want string"),
    ):
        done = template(helm, tmp_path, values)
        assert done.returncode != 0, values
        assert expected in done.stderr, done.stderr


def test_variables_that_the_chart_sets_can_not_be_set_twice(
    manifests: dict[tuple[str, str], Any], helm: str, tmp_path: Path
) -> None:
    variables = {one["name"] for pod in pods(manifests).values() for one in pod["containers"][0]["env"]}
    accepted = [name for name in variables if template(helm, tmp_path, f"settings: {{{name}: '1'}}").returncode == 0]
    assert accepted == []


def paths_of(values: dict[str, Any], path: str = "") -> list[str]:
    """Where tables of values are that have names of ours."""
    free = {"settings", "podAnnotations", "nodeSelector", "labels", "requests", "limits", "agents"}
    found = [path]
    for name, value in values.items():
        if isinstance(value, dict) and name not in free:
            found += paths_of(value, f"{path}.{name}")
    return found


def test_names_that_no_template_reads_are_refused(helm: str, tmp_path: Path) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    paths = paths_of(values)
    assert ".networkPolicy.kubernetesApi" in paths
    for path in [*paths, ".agents.ab", ".agents.ab.keda", ".agents.ab.engine"]:
        typo = f"{path}.typo".removeprefix(".")
        done = template(helm, tmp_path, "agents: {ab: {types: [x]}}", "--set", f"{typo}=1")
        assert done.returncode != 0, typo
        assert "additional properties 'typo' not allowed" in done.stderr, typo


def test_large_numbers_of_a_file_stay_numbers(helm: str, tmp_path: Path) -> None:
    kind = "{types: [x], replicas: 5000000, engine: {name: kubernetes, memory_mib: 4000000, wait_seconds: 8640000}"
    done = template(
        helm,
        tmp_path,
        f"""
image: {{tag: "20161216"}}
maxProcesses: 4194304
worker: {{replicas: 2000000}}
dashboard: {{replicas: 3000000}}
agents:
  ab: {kind}, tolerations: [{{operator: Exists, tolerationSeconds: 6000000}}]}}
  ac: {{types: [z], keda: {{enabled: true, min: 7000000, max: 9000000}}}}
""",
    )
    assert done.returncode == 0, done.stderr
    assert not re.search(r"\d[eE]\+\d", done.stdout)
    for number in (20161216, *(n * 1_000_000 for n in (2, 3, 4, 5, 6, 7, 9)), 4194304, 8640000):
        assert re.search(rf"\b{number}\b", done.stdout), number


def test_no_agents_run_that_nobody_has_named(helm: str, tmp_path: Path) -> None:
    found = manifests_of(template(helm, tmp_path, "").stdout)
    assert not [name for kind, name in found if "agent" in name and kind == "Deployment"]
    kinds = load_kinds(written(tmp_path, found["ConfigMap", "yard-worker"]["data"]["pool.toml"]))
    assert kinds == []
    mine = manifests_of(template(helm, tmp_path, "agents: {coder: {types: [code.*]}}").stdout)
    assert [name for kind, name in mine if kind == "Deployment" and "agent" in name] == ["yard-agent-coder"]


def test_reports_are_where_worker_dashboard_and_api_find_them(helm: str, tmp_path: Path) -> None:
    def with_reports(values: str) -> set[str]:
        found = manifests_of(template(helm, tmp_path, values).stdout)
        specs = {name: one["spec"]["template"]["spec"] for (kind, name), one in found.items() if kind == "Deployment"}
        claimed = {
            name
            for name, spec in specs.items()
            for volume in spec["volumes"]
            if volume.get("persistentVolumeClaim", {}).get("claimName") == "yard-reports"
        }
        mounted = {
            name
            for name, spec in specs.items()
            for mount in spec["containers"][0]["volumeMounts"]
            if (mount["name"], mount["mountPath"]) == ("reports", "/var/lib/taskyard/reports")
        }
        assert claimed == mounted
        return claimed

    agents = "agents: {coder: {types: [code.*]}}"
    assert with_reports(agents) == set()
    shown = with_reports(f"{agents}\nreports: {{claim: yard-reports}}")
    assert shown == {"yard-worker", "yard-dashboard", "yard-api"}


def written(folder: Path, text: str) -> Path:
    (folder / "pool.toml").write_text(text, "utf-8")
    return folder / "pool.toml"


def test_variables_of_a_kind_take_the_place_of_settings(helm: str, tmp_path: Path) -> None:
    done = template(
        helm,
        tmp_path,
        """
settings: {TASKYARD_LOG_LEVEL: info, TASKYARD_NAMESPACE: shop}
agents:
  ab:
    types: [x]
    env:
      - {name: TASKYARD_LOG_LEVEL, value: debug}
      - {name: TASKYARD_REDIS_URL, valueFrom: {secretKeyRef: {name: own, key: url}}}
""",
    )
    env = pods(manifests_of(done.stdout))["yard-agent-ab"]["containers"][0]["env"]
    names = [one["name"] for one in env]
    assert len(names) == len(set(names)), "Kubernetes refuses names that come twice"
    found = {one["name"]: one for one in env}
    assert (found["TASKYARD_LOG_LEVEL"]["value"], found["TASKYARD_NAMESPACE"]["value"]) == ("debug", "shop")
    assert found["TASKYARD_REDIS_URL"]["valueFrom"]["secretKeyRef"]["name"] == "own"
