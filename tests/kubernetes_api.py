"""Kubernetes for tests: an API server, a scheduler and kubelets that really run commands, each pod's twice.

It speaks what the official client calls here, and is as strict as the real one in what matters to seats: names,
labels, quantities, restart policies, the token. A node is a number of processes of this host.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.kubernetes_nodes import Node, Pod, quantity

NAMESPACE, TOKEN, CONTEXT = "jobs", "a-token-of-tests", "tests"
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
LABEL_KEY = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
LOOK_SECONDS = 0.05
API = re.compile(r"/(?:api|apis/(?P<group>batch))/v1/namespaces/(?P<space>[^/]+)/(?P<kind>[a-z]+)(?:/(?P<name>[^/]+))?")


class Refusal(Exception):
    """What the API answers instead."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message,
                     "code": code}  # fmt: skip


class KubernetesApi:
    """The cluster; `copies` is how often each pod is started."""

    def __init__(self, folder: Path, *nodes: Node, copies: int = 2) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.copies = copies
        self.jobs: dict[str, dict[str, Any]] = {}
        self.secrets: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.pods: dict[str, Pod] = {}
        self.forbidden: set[tuple[str, str]] = set()  # verb and kind
        self.quota: int | None = None  # of pods
        self.calls: set[tuple[str, str, str]] = set()  # group, kind and verb of all requests
        self.lock = threading.RLock()
        self._is_closed = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(self._configuration(), "utf-8")
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._server.serve_forever, self._run)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ends the API, and all that runs."""
        self._is_closed.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join()
        self._server.server_close()
        for pod in self.pods.values():
            pod.close()

    def kill_node(self, name: str) -> None:
        """Takes a node away, with all that runs there; the API does not notice, as for minutes in a real cluster."""
        with self.lock:
            self.nodes.pop(name).is_up = False
            for pod in self.pods.values():
                if pod.node == name:
                    pod.kill()

    def kill_pod(self, seat_id: str) -> None:
        """Deletes the pod of a seat."""
        with self.lock:
            self._pod_of(f"taskyard-seat-{seat_id}").kill()

    def said(self) -> str:
        """What all containers have written."""
        with self.lock:
            return "\n".join(pod.said() for pod in self.pods.values())

    # what the controllers do

    def _run(self) -> None:
        while not self._is_closed.wait(LOOK_SECONDS):
            with self.lock:
                for name, job in self.jobs.items():
                    if not job["status"].get("conditions"):
                        self._control(name, job)

    def _control(self, name: str, job: dict[str, Any]) -> None:
        pod = next((one for one in self.pods.values() if one.job == name), None)
        if pod is None:
            alive = sum(not one.is_over() for one in self.pods.values())
            if self.quota is not None and alive >= self.quota:
                self._warn(name, "FailedCreate", f'pods "{name}-" is forbidden: exceeded quota: of-tests')
                return
            pod = Pod(f"{name}-{uuid.uuid4().hex[:5]}", name, job["spec"]["template"], self.copies)
            self.pods[pod.name] = pod
        if not pod.node:
            pod.schedule(self.nodes, list(self.pods.values()))
        elif pod.is_started():
            if pod.is_over() and self._is_known(pod):
                ends = "Complete" if pod.exit_code() == 0 else "Failed"
                reason = "CompletionsReached" if ends == "Complete" else "BackoffLimitExceeded"
                condition = {"type": ends, "status": "True", "reason": reason}
                job["status"] = {"conditions": [condition]}
        elif (lacking := pod.lacking(self.secrets)) is not None:
            pod.waiting = ("CreateContainerConfigError", f'secret "{lacking}" not found')
        else:
            pod.start(self.secrets)

    def _is_known(self, pod: Pod) -> bool:
        return pod.node in self.nodes  # nobody tells of a pod whose node is gone

    def _warn(self, name: str, reason: str, message: str) -> None:
        about = {"kind": "Job", "name": name, "namespace": NAMESPACE}
        if not any(event["involvedObject"] == about for event in self.events):
            metadata = {"name": f"{name}.{len(self.events)}", "namespace": NAMESPACE}
            self.events.append({"metadata": metadata, "involvedObject": about, "type": "Warning", "reason": reason,
                                "message": message})  # fmt: skip

    def _pod_of(self, job: str) -> Pod:
        return next(pod for pod in self.pods.values() if pod.job == job)

    # what the API does

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any, token: str) -> Any:
        """The answer to a request. Raises Refusal."""
        if token != f"Bearer {TOKEN}":
            raise Refusal(401, "Unauthorized", "Unauthorized")
        if path == "/version/":
            return {"major": "1", "minor": "31", "gitVersion": "v1.31.0", "gitCommit": "", "gitTreeState": "",
                    "buildDate": "", "goVersion": "", "compiler": "", "platform": ""}  # fmt: skip
        if path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
            wanted = body["spec"]["resourceAttributes"]
            return {**body, "status": {"allowed": (wanted["verb"], wanted["resource"]) not in self.forbidden}}
        found = API.fullmatch(path)
        if found is None:
            raise Refusal(404, "NotFound", f"the server could not find {path}")
        verb = {"GET": "list", "POST": "create", "DELETE": "delete", "PATCH": "patch"}[method]
        kind, name = found["kind"], found["name"] or ""
        with self.lock:
            self.calls.add((found["group"] or "", kind, verb))
            if found["space"] != NAMESPACE or (verb, kind) in self.forbidden:
                raise Refusal(403, "Forbidden", f'{kind} is forbidden: User "seats" cannot {verb} resource "{kind}"')
            act: Callable[..., Any] = getattr(self, f"_{verb}_{kind}")
            return act(query) if verb == "list" else act(name, body)

    def _create_jobs(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        self._check(body, "Job", "batch/v1", self.jobs)
        spec = body["spec"]
        if spec["template"]["spec"].get("restartPolicy") not in ("Never", "OnFailure"):
            raise Refusal(422, "Invalid", 'spec.template.spec.restartPolicy: Unsupported value: expected "Never"')
        for labelled in (body, spec["template"]):
            _check_labels(labelled["metadata"].get("labels", {}))
        for container in spec["template"]["spec"]["containers"]:
            _check_resources(container.get("resources", {}))
        body["metadata"]["uid"], body["status"] = str(uuid.uuid4()), {}
        self.jobs[body["metadata"]["name"]] = body
        return body

    def _create_secrets(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        self._check(body, "Secret", "v1", self.secrets)
        _check_labels(body["metadata"].get("labels", {}))
        self.secrets[body["metadata"]["name"]] = body
        return {key: value for key, value in body.items() if key != "stringData"}

    def _patch_secrets(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        secret = self._existing(self.secrets, name, "secrets")
        secret["metadata"].update(body["metadata"])
        return {"apiVersion": "v1", "kind": "Secret", "metadata": secret["metadata"]}

    def _delete_secrets(self, name: str, body: Any) -> dict[str, Any]:
        self._existing(self.secrets, name, "secrets")
        del self.secrets[name]
        return {"kind": "Status", "status": "Success"}

    def _delete_jobs(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        job = self._existing(self.jobs, name, "jobs.batch")
        assert body["propagationPolicy"] == "Background", "otherwise its pod stays"
        del self.jobs[name]
        for pod in [one for one in self.pods.values() if one.job == name]:
            pod.kill()
        for other, secret in list(self.secrets.items()):
            if any(owner["uid"] == job["metadata"]["uid"] for owner in secret["metadata"].get("ownerReferences", [])):
                del self.secrets[other]
        return {"kind": "Status", "status": "Success"}

    def _list_jobs(self, query: dict[str, list[str]]) -> dict[str, Any]:
        return _listed(self.jobs.values(), query, "JobList")

    def _list_pods(self, query: dict[str, list[str]]) -> dict[str, Any]:
        pods = [pod.seen() for pod in self.pods.values() if pod.job in self.jobs]
        return _listed(pods, query, "PodList")

    def _list_events(self, query: dict[str, list[str]]) -> dict[str, Any]:
        wanted = dict(part.split("=") for part in query["fieldSelector"][0].split(","))
        found = [event for event in self.events if event["involvedObject"]["name"] == wanted["involvedObject.name"]]
        return {"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": found}

    def _check(self, body: dict[str, Any], kind: str, version: str, there: dict[str, Any]) -> None:
        name = body["metadata"]["name"]
        if (body["kind"], body["apiVersion"]) != (kind, version) or not NAME.fullmatch(name):
            raise Refusal(422, "Invalid", f"{kind} {name!r} is invalid")
        if name in there:
            raise Refusal(409, "AlreadyExists", f'{kind} "{name}" already exists')

    def _existing(self, there: dict[str, Any], name: str, kind: str) -> Any:
        if name not in there:
            raise Refusal(404, "NotFound", f'{kind} "{name}" not found')
        return there[name]

    def _configuration(self) -> str:
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": CONTEXT,
                "clusters": [{"name": "c", "cluster": {"server": self.url}}],
                "users": [{"name": "u", "user": {"token": TOKEN}}],
                "contexts": [{"name": CONTEXT, "context": {"cluster": "c", "user": "u", "namespace": NAMESPACE}}],
            }
        )


def _listed(items: Any, query: dict[str, list[str]], kind: str) -> dict[str, Any]:
    wanted = dict(part.split("=") for part in query.get("labelSelector", [""])[0].split(",") if part)
    found = [one for one in items if wanted.items() <= one["metadata"].get("labels", {}).items()]
    return {"kind": kind, "apiVersion": "v1", "metadata": {}, "items": found}


def _check_labels(labels: dict[str, str]) -> None:
    for key, value in labels.items():
        if not LABEL_KEY.fullmatch(key) or not LABEL_VALUE.fullmatch(value):
            raise Refusal(422, "Invalid", f"metadata.labels: Invalid value: {key}={value}")


def _check_resources(resources: dict[str, Any]) -> None:
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    for name, text in (*requests.items(), *limits.items()):
        try:
            amount = quantity(text)
        except ValueError:
            raise Refusal(422, "Invalid", f"resources: quantities must match the regular expression: {text}") from None
        if "/" in name and amount != int(amount):
            raise Refusal(422, "Invalid", f"resources.limits[{name}]: Invalid value: {text}: must be an integer")
        if name in requests and name in limits and quantity(requests[name]) > quantity(limits[name]):
            raise Refusal(422, "Invalid", f"resources.requests: Invalid value: {name}: must be less than or equal")


def _handler(api: KubernetesApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _act(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            asked = urlsplit(self.path)
            token = self.headers.get("Authorization", "")
            try:
                code, said = 200, api.answer(self.command, asked.path, parse_qs(asked.query), body, token)
            except Refusal as refusal:
                code, said = refusal.code, refusal.body
            text = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = do_PATCH = _act

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
