"""The engine Ray: a seat is an actor's process, which Ray places by CPUs, GPUs, memory and resources of your own.

Whatever Ray starts again by itself is refused at the desk; so its own retries are off only to spare it the work.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray.exceptions import RayError

from taskyard.worker.engines.engine import EngineProblem, SeatCommand
from taskyard.worker.engines.node import run_seat
from taskyard.worker.engines.reach import unreached
from taskyard.worker.engines.settings import EngineSettings

MIB = 1 << 20


class RayEngine:
    """Runs each seat as a task of its own that is never retried."""

    def __init__(self, settings: EngineSettings) -> None:
        namespace = settings.options.get("namespace", "taskyard")
        ray.init(settings.address or "auto", namespace=namespace, log_to_driver=False, configure_logging=False)
        self._head: str = settings.address if "//" in settings.address else ray.get_runtime_context().gcs_address
        self._needs: dict[str, Any] = {
            "num_cpus": settings.cpus,
            "num_gpus": settings.gpus,
            "resources": settings.options.get("resources") or None,
            "max_retries": 0,
            **({"memory": settings.memory_mib * MIB} if settings.memory_mib else {}),
        }
        self._task = ray.remote(run_seat)
        self._seats: dict[str, Any] = {}

    def launch(self, seat_id: str, command: SeatCommand) -> None:
        self._expect_head()
        named = self._task.options(name=f"taskyard seat {seat_id}", **self._needs)
        self._seats[seat_id] = named.remote(command.arguments, command.variables)

    def cancel(self, seat_id: str) -> None:
        if (seat := self._seats.pop(seat_id, None)) is not None:
            ray.cancel(seat, force=True)

    def problem(self, seat_id: str) -> str:
        ended, _ = ray.wait([self._seats[seat_id]], timeout=0)
        if not ended:
            return ""
        try:
            return ray.get(self._seats[seat_id]) or "it has ended"
        except RayError as error:
            return f"Ray: {type(error).__name__}: {error}"

    def why(self, seat_id: str) -> str:
        self._expect_head()
        needs = self._named_needs()
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(all(node.get(name, 0.0) >= need for name, need in needs.items()) for node in nodes):
            nowhere = {name: need for name, need in needs.items() if all(node.get(name, 0.0) < need for node in nodes)}
            return f"Ray has no node with {_listed(nowhere or needs)}"
        free = ray.available_resources()
        lacking = {name: need for name, need in needs.items() if free.get(name, 0.0) < need}
        return f"Ray has no node with {_listed(lacking)} free" if lacking else "Ray has not started it yet"

    def close(self) -> None:
        for seat_id in list(self._seats):
            self.cancel(seat_id)
        ray.shutdown()

    def _expect_head(self) -> None:
        """Raises EngineProblem if the head does not answer: Ray's own calls would wait, or end the process."""
        if problem := unreached(self._head):
            raise EngineProblem(f"Ray does not answer: {problem}")

    def _named_needs(self) -> dict[str, float]:
        own: dict[str, float] = self._needs["resources"] or {}
        memory = {"memory": self._needs["memory"]} if "memory" in self._needs else {}
        needs = {"CPU": self._needs["num_cpus"], "GPU": self._needs["num_gpus"], **memory, **own}
        return {name: need for name, need in needs.items() if need > 0}


def _listed(needs: Mapping[str, float]) -> str:
    """Returns resources with their amounts, as operators name them; Ray counts memory in bytes."""
    return ", ".join(
        f"{need / MIB:g} MiB of memory" if name == "memory" else f"{need:g} {name}" for name, need in needs.items()
    )
