"""Makes the Job and the Secret of a seat, and checks what they are made of. Kubernetes' package is not imported."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from taskyard.worker.engines.engine import EngineProblem, SeatCommand
from taskyard.worker.engines.settings import EngineSettings

SEAT_LABEL, DESK_LABEL = "taskyard/seat", "taskyard/desk"
CONTAINER = "seat"
GPU_RESOURCE = "nvidia.com/gpu"
KEPT_SECONDS = 600  # a Job that has ended, for those who look into what became of it
MAX_TEMPLATE_BYTES = 1 << 20
IN_CLUSTER = "in-cluster"
_ANNOTATIONS = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}


def problems(settings: EngineSettings) -> list[str]:
    """Returns what is wrong with the options of an engine, each as "field: …"."""
    path = settings.options.get("template", "")
    try:
        template = pod_template(path)
    except EngineProblem as problem:
        return [f"options.template: {path!r} is not accepted: {problem}"]
    if not settings.options.get("image") and not _seat_container(template["spec"]).get("image"):
        return ["options.image: missing: expected an image that has Taskyard and the task modules"]
    return []


def pod_template(path: str) -> dict[str, Any]:
    """Returns what a seat's pod is made of: a template, or a Pod, in a YAML file; nothing but a container without one.

    Raises EngineProblem.
    """
    if not path:
        return {"metadata": {}, "spec": {"containers": [{"name": CONTAINER}]}}
    try:
        text = Path(path).read_bytes()[:MAX_TEMPLATE_BYTES].decode("utf-8")
        found = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise EngineProblem(f"expected a YAML file with a Pod: {' '.join(str(error).split())}") from None
    if isinstance(found, dict) and isinstance(found.get("template"), dict):
        found = found["template"]  # of a PodTemplate
    spec = found.get("spec") if isinstance(found, dict) else None
    containers = spec.get("containers") if isinstance(spec, dict) else None
    if not isinstance(containers, list) or not containers or not all(isinstance(one, dict) for one in containers):
        raise EngineProblem("expected a Pod: a table `spec` with a list `containers`")
    if not isinstance(found.get("metadata", {}), dict):
        raise EngineProblem("expected a table `metadata`")
    return found  # type: ignore[no-any-return]


def job_name(seat_id: str) -> str:
    """Returns how the Job and the Secret of a seat are called."""
    return f"taskyard-seat-{seat_id}"


def secret_of(seat_id: str, desk_id: str, command: SeatCommand) -> dict[str, Any]:
    """Returns the Secret with a seat's variables: whoever may read pods and Jobs alone does not get its key."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": job_name(seat_id), "labels": _labels(seat_id, desk_id)},
        "stringData": dict(command.variables),
    }


def job_of(
    seat_id: str, desk_id: str, command: SeatCommand, settings: EngineSettings, template: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the Job of a seat: one pod that Kubernetes neither starts again nor moves by its own decision."""
    labels = _labels(seat_id, desk_id)
    pod = copy.deepcopy({"metadata": template.get("metadata") or {}, "spec": template["spec"]})
    metadata, spec = pod["metadata"], pod["spec"]
    for field, given in (("labels", labels), ("annotations", _ANNOTATIONS)):
        metadata[field] = {**(metadata.get(field) or {}), **given}
    spec["restartPolicy"] = "Never"
    spec.setdefault("automountServiceAccountToken", False)
    spec.setdefault("enableServiceLinks", False)
    _fill_container(_seat_container(spec), seat_id, command, settings)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": job_name(seat_id), "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {"metadata": {key: metadata[key] for key in ("labels", "annotations")}, "spec": spec},
        },
    }


def _fill_container(container: dict[str, Any], seat_id: str, command: SeatCommand, settings: EngineSettings) -> None:
    if image := settings.options.get("image"):
        container["image"] = image
    container["command"] = [*(container.get("command") or ["python3"])[:1], *command.arguments]
    container.pop("args", None)
    own = [one for one in container.get("env") or [] if one.get("name") not in command.variables]
    container["env"] = own + [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": job_name(seat_id), "key": name}}}
        for name in command.variables
    ]
    container.setdefault("terminationMessagePolicy", "FallbackToLogsOnError")
    resources = container.get("resources") or {}
    requests, limits = dict(resources.get("requests") or {}), dict(resources.get("limits") or {})
    if settings.cpus:
        requests["cpu"] = f"{settings.cpus:g}"
    if settings.memory_mib:
        requests["memory"] = limits["memory"] = f"{settings.memory_mib}Mi"
    if settings.gpus:
        limits[settings.options.get("gpu_resource", GPU_RESOURCE)] = f"{settings.gpus:g}"
    container["resources"] = {"requests": requests, "limits": limits}


def _seat_container(spec: dict[str, Any]) -> dict[str, Any]:
    """Returns the container `seat` of a pod, or its first."""
    containers: list[dict[str, Any]] = spec["containers"]
    return next((one for one in containers if one.get("name") == CONTAINER), containers[0])


def _labels(seat_id: str, desk_id: str) -> dict[str, str]:
    return {"app.kubernetes.io/managed-by": "taskyard", SEAT_LABEL: seat_id, DESK_LABEL: desk_id}
