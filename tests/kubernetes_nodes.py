"""Nodes and pods of the Kubernetes of tests: what a node has room for, and processes as containers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from tests.servers import REPOSITORY

PYTHON = "python3"  # in the image of tests
SUFFIXES = {"m": 0.001, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
KILLED = 137


@dataclass
class Node:
    """A node, and what it has."""

    name: str
    has: dict[str, float]
    is_up: bool = True


def quantity(text: str) -> float:
    """The amount that a quantity says. Raises ValueError."""
    for suffix, factor in SUFFIXES.items():
        if text.endswith(suffix):
            return float(text.removesuffix(suffix)) * factor
    return float(text)


@dataclass
class _Container:
    process: subprocess.Popen[bytes]
    output: IO[bytes]

    def said(self) -> str:
        self.output.seek(0)
        return self.output.read().decode("utf-8", "replace")


class Pod:
    """A pod of a Job, whose container is started more than once, as after a kubelet that forgot that it had."""

    def __init__(self, name: str, job: str, template: dict[str, Any], copies: int) -> None:
        self.name, self.job, self._template, self._copies = name, job, template, copies
        [self._container] = template["spec"]["containers"]
        self.node = ""
        self.unscheduled = ""
        self.waiting: tuple[str, str] | None = None
        self._containers: list[_Container] = []

    @property
    def wants(self) -> dict[str, float]:
        """What it takes of a node."""
        resources = self._container.get("resources", {})
        return {name: quantity(text) for name, text in {**resources["limits"], **resources["requests"]}.items()}

    def schedule(self, nodes: dict[str, Node], pods: list[Pod]) -> None:
        """Gives it a node with room, or notes why none has any, in the scheduler's words."""
        lacking: list[str] = []
        for node in nodes.values():
            there = [pod for pod in pods if pod.node == node.name and not pod.is_over()]
            short = [
                name
                for name, amount in self.wants.items()
                if sum(pod.wants.get(name, 0.0) for pod in there) + amount > node.has.get(name, 0.0)
            ]
            if not short:
                self.node, self.unscheduled = node.name, ""
                return
            lacking += short[:1]
        counted = ", ".join(f"{lacking.count(name)} Insufficient {name}" for name in sorted(set(lacking)))
        self.unscheduled = f"0/{len(nodes)} nodes are available: {counted}."

    def lacking(self, secrets: dict[str, Any]) -> str | None:
        """The name of a Secret that it needs and that is not there."""
        return next((name for name, _, _ in self._references() if name not in secrets), None)

    def start(self, secrets: dict[str, Any]) -> None:
        """Starts its container, so often as it is meant to be."""
        self.waiting = None
        told = {one["name"]: one["value"] for one in self._container["env"] if "value" in one}
        told |= {variable: secrets[name]["stringData"][key] for name, key, variable in self._references()}
        program, *arguments = self._container["command"]
        command = [sys.executable if program == PYTHON else program, *arguments]
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        paths = os.pathsep.join([str(REPOSITORY), *filter(None, sys.path)])
        for _ in range(self._copies):
            output = tempfile.TemporaryFile()  # noqa: SIM115
            process = subprocess.Popen(
                command,
                env={**kept, "PYTHONPATH": paths, **told},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=REPOSITORY,
                start_new_session=True,
            )
            self._containers.append(_Container(process, output))

    def is_started(self) -> bool:
        return bool(self._containers)

    def is_over(self) -> bool:
        """True once all its containers have ended."""
        return self.is_started() and all(one.process.poll() is not None for one in self._containers)

    def exit_code(self) -> int:
        """The worst code of its containers."""
        return max(
            code if code >= 0 else KILLED for one in self._containers if (code := one.process.poll()) is not None
        )

    def said(self) -> str:
        return "\n".join(one.said() for one in self._containers)

    def kill(self) -> None:
        """Kills its containers, as a node's death does. A seat's keeper that is killed takes the seat along."""
        for one in self._containers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.process.pid, signal.SIGKILL)
            one.process.wait()
        if not self._containers:
            self._copies = 0

    def close(self) -> None:
        """Kills its containers, and forgets what they have written."""
        self.kill()
        for one in self._containers:
            one.output.close()

    def pids(self) -> list[int]:
        """The processes of its containers that run."""
        return [one.process.pid for one in self._containers if one.process.poll() is None]

    def seen(self) -> dict[str, Any]:
        """What the API tells of it."""
        status: dict[str, Any] = {"phase": "Pending", "conditions": []}
        if self.unscheduled:
            status["conditions"].append({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                                         "message": self.unscheduled})  # fmt: skip
        state: dict[str, Any] = {}
        if self.is_over():
            code = self.exit_code()
            status["phase"] = "Succeeded" if code == 0 else "Failed"
            state = {"terminated": {"exitCode": code, "reason": "Error", "message": self.said()[-2000:]}}
        elif self.is_started():
            status["phase"], state = "Running", {"running": {}}
        elif self.waiting is not None:
            state = {"waiting": {"reason": self.waiting[0], "message": self.waiting[1]}}
        if state:
            status["containerStatuses"] = [{"name": "seat", "state": state, "ready": False, "restartCount": 0,
                                            "image": "", "imageID": ""}]  # fmt: skip
        metadata = {"name": self.name, "labels": self._template["metadata"]["labels"]}
        spec = {"containers": [{"name": "seat"}], **({"nodeName": self.node} if self.node else {})}
        return {"metadata": metadata, "spec": spec, "status": status}

    def _references(self) -> Iterator[tuple[str, str, str]]:
        for one in self._container["env"]:
            if "valueFrom" in one:
                reference = one["valueFrom"]["secretKeyRef"]
                yield reference["name"], reference["key"], one["name"]
