"""The engine Kubernetes: a seat is a Job of one pod. Whatever Kubernetes starts twice is refused at the desk.

The seat's key is in a Secret that its Job owns, so both go together. The service account needs, in the namespace:
create, delete and list of `jobs`; create, patch and delete of `secrets`; list of `pods` and `events`.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from time import monotonic
from typing import Any

import orjson
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from taskyard.worker.engines.engine import EngineProblem, SeatCommand
from taskyard.worker.engines.kubernetes_job import (
    DESK_LABEL,
    IN_CLUSTER,
    SEAT_LABEL,
    job_name,
    job_of,
    pod_template,
    secret_of,
)
from taskyard.worker.engines.settings import EngineSettings

SECONDS = 10.0  # for one call
LOOK_SECONDS = 0.9  # for which a look at all Jobs and pods of this agent is good
NEW_SECONDS = 5.0  # in which a Job may not be in a list yet
NEEDED = (("batch", "jobs", "create"), ("batch", "jobs", "list"), ("batch", "jobs", "delete"),
          ("", "pods", "list"), ("", "events", "list"),
          ("", "secrets", "create"), ("", "secrets", "patch"), ("", "secrets", "delete"))  # fmt: skip
MISSING = 404


class KubernetesEngine:
    """Makes a Job for each seat, and looks once a second at those whose seats have not come."""

    def __init__(self, settings: EngineSettings) -> None:
        """Raises EngineProblem if the configuration or the template can't be used."""
        self._settings = settings
        self._api, self._namespace = _connected(settings)
        self._template = pod_template(settings.options.get("template", ""))
        self._jobs, self._core = client.BatchV1Api(self._api), client.CoreV1Api(self._api)
        self._desk_id = uuid.uuid4().hex[:12]
        self._launched: dict[str, float] = {}  # when (monotonic seconds)
        self._failed: set[str] = set()  # whose Jobs have ended before their seats came
        self._looked_at = 0.0
        self._seen_jobs: dict[str, Any] = {}
        self._seen_pods: dict[str, Any] = {}

    def launch(self, seat_id: str, command: SeatCommand) -> None:
        self._launched[seat_id] = monotonic()
        secret = secret_of(seat_id, self._desk_id, command)
        job = job_of(seat_id, self._desk_id, command, self._settings, self._template)
        _asked(self._core.create_namespaced_secret, self._namespace, secret)
        made = _asked(self._jobs.create_namespaced_job, self._namespace, job)
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": made.metadata.name, "uid": made.metadata.uid}
        owned = {"metadata": {"ownerReferences": [owner]}}
        _asked(self._core.patch_namespaced_secret, job_name(seat_id), self._namespace, owned)

    def cancel(self, seat_id: str) -> None:
        if self._launched.pop(seat_id, None) is None:
            return
        if seat_id in self._failed:
            self._failed.discard(seat_id)
            return  # those who look for the cause find it for a while; then Kubernetes deletes it
        name = job_name(seat_id)
        deleted = client.V1DeleteOptions(propagation_policy="Background")
        try:
            _asked(self._jobs.delete_namespaced_job, name, self._namespace, body=deleted, is_idempotent=True)
        finally:  # a Job that was never made owns none
            _asked(self._core.delete_namespaced_secret, name, self._namespace, is_idempotent=True)

    def problem(self, seat_id: str) -> str:
        self._look()
        job, pod = self._seen_jobs.get(seat_id), self._seen_pods.get(seat_id)
        if job is None:
            is_new = monotonic() - self._launched[seat_id] < NEW_SECONDS
            return "" if is_new else f"Kubernetes: Job {job_name(seat_id)} is not there any more"
        for condition in job.status.conditions or ():
            if condition.type in ("Failed", "Complete") and condition.status == "True":
                self._failed.add(seat_id)
                return f"Kubernetes: {_end_of(pod) or condition.message or condition.reason or 'its Job has ended'}"
        return ""

    def why(self, seat_id: str) -> str:
        self._look()
        job, pod = self._seen_jobs.get(seat_id), self._seen_pods.get(seat_id)
        if job is not None and job.spec.suspend:
            return "Kubernetes: its Job is suspended, as Kueue does until there is quota"
        if pod is None:
            return f"Kubernetes: {self._last_event(seat_id) or 'its Job has no pod yet'}"
        for condition in pod.status.conditions or ():
            if condition.type == "PodScheduled" and condition.status == "False":
                return f"Kubernetes: {condition.message or condition.reason}"
        for container in pod.status.container_statuses or ():
            if (waiting := container.state.waiting) is not None:
                return f"Kubernetes: {': '.join(filter(None, (waiting.reason, waiting.message)))}"
        return f"Kubernetes: its pod is {pod.status.phase} on {pod.spec.node_name}"

    def close(self) -> None:
        for seat_id in list(self._launched):
            self.cancel(seat_id)
        self._api.close()

    def _look(self) -> None:
        if monotonic() - self._looked_at < LOOK_SECONDS:
            return
        of_desk = f"{DESK_LABEL}={self._desk_id}"
        jobs = _asked(self._jobs.list_namespaced_job, self._namespace, label_selector=of_desk).items
        pods = _asked(self._core.list_namespaced_pod, self._namespace, label_selector=of_desk).items
        self._seen_jobs = {job.metadata.labels[SEAT_LABEL]: job for job in jobs}
        self._seen_pods = {pod.metadata.labels[SEAT_LABEL]: pod for pod in pods}
        self._looked_at = monotonic()

    def _last_event(self, seat_id: str) -> str:
        """Returns what Kubernetes says of a Job that gets no pod, such as that its quota is used up."""
        selected = f"involvedObject.kind=Job,involvedObject.name={job_name(seat_id)},type=Warning"
        events = _asked(self._core.list_namespaced_event, self._namespace, field_selector=selected).items
        return str(events[-1].message) if events else ""


def reached(settings: EngineSettings) -> str:
    """Returns which API is reached, and checks that it lets us do what we do. Raises EngineProblem."""
    api, namespace = _connected(settings)
    with api:
        version = _asked(client.VersionApi(api).get_code).git_version
        reviews = client.AuthorizationV1Api(api)
        lacking = []
        for group, resource, verb in NEEDED:
            wanted = {"group": group, "resource": resource, "verb": verb, "namespace": namespace}
            review = _asked(reviews.create_self_subject_access_review, {"spec": {"resourceAttributes": wanted}})
            if not review.status.allowed:
                lacking.append(f"{verb} {resource}")
        if lacking:
            raise EngineProblem(f"Kubernetes does not let us {', '.join(lacking)} in namespace {namespace}")
        return f"Kubernetes {version} at {api.configuration.host} is reached, namespace {namespace}"


def _connected(settings: EngineSettings) -> tuple[client.ApiClient, str]:
    """Returns a client and the namespace. Raises EngineProblem."""
    try:
        given = client.Configuration()
        if settings.address == IN_CLUSTER:
            config.load_incluster_config(client_configuration=given)
            with open("/var/run/secrets/kubernetes.io/serviceaccount/namespace", encoding="utf-8") as opened:
                here = opened.read().strip()
        else:
            file = os.environ.get("KUBECONFIG")  # its client reads this only once, when it is imported
            config.load_kube_config(file, settings.address, given)
            contexts, _ = config.list_kube_config_contexts(file)
            [own] = [one["context"] for one in contexts if one["name"] == settings.address]
            here = own.get("namespace") or "default"
    except (ConfigException, OSError) as error:
        raise EngineProblem(f"engine.address: {settings.address!r} can't be used: {error}") from None
    given.retries = False
    return client.ApiClient(given), settings.options.get("namespace") or here


def _asked(call: Callable[..., Any], *given: Any, is_idempotent: bool = False, **named: Any) -> Any:
    """Calls the API; returns None for what is gone already, if that is as well. Raises EngineProblem."""
    try:
        return call(*given, _request_timeout=SECONDS, **named)
    except ApiException as error:
        if is_idempotent and error.status == MISSING:
            return None
        raise EngineProblem(f"Kubernetes: {_message_of(error)}") from None
    except HTTPError as error:
        raise EngineProblem(f"Kubernetes is not reached: {error}") from None


def _message_of(error: ApiException) -> str:
    """Returns the API's own words."""
    try:
        return str(orjson.loads(error.body)["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.status} {error.reason}"


def _end_of(pod: Any) -> str:
    """Returns how a pod's container has ended, with the last line that it wrote; empty if it has not."""
    statuses = (pod.status.container_statuses or ()) if pod is not None else ()
    for ended in filter(None, (status.state.terminated for status in statuses)):
        last = (ended.message or "").strip().splitlines()[-1:] or [ended.reason or ""]
        return f"its container ended with exit code {ended.exit_code}: {last[0]}".removesuffix(": ")
    return ""
