"""The engine Dask: a seat is a task of a `distributed` cluster, in a worker that has a thread free for it."""

from __future__ import annotations

from typing import Any

from distributed import Client

from taskyard.worker.engines.engine import SeatCommand
from taskyard.worker.engines.node import run_seat
from taskyard.worker.engines.settings import EngineSettings

CONNECT_SECONDS = 30
MIB = 1 << 20


class DaskEngine:
    """Runs each seat as a task; a cluster without threads free lets it wait."""

    def __init__(self, settings: EngineSettings) -> None:
        self._client = Client(settings.address, timeout=CONNECT_SECONDS, set_as_default=False)
        self._resources = _resources(settings)
        self._where: dict[str, Any] = {
            "resources": self._resources or None,
            "workers": settings.options.get("workers") or None,
            "pure": False,
            "retries": 0,
        }
        self._seats: dict[str, Any] = {}

    def launch(self, seat_id: str, command: SeatCommand) -> None:
        key = f"taskyard-seat-{seat_id}"
        given = (command.arguments, command.variables)
        self._seats[seat_id] = self._client.submit(run_seat, *given, key=key, **self._where)

    def cancel(self, seat_id: str) -> None:
        if (seat := self._seats.pop(seat_id, None)) is not None:
            seat.cancel(force=True)
            seat.release()

    def problem(self, seat_id: str) -> str:
        seat = self._seats[seat_id]
        if seat.status in ("error", "lost", "cancelled"):
            return f"Dask: {seat.exception() if seat.status == 'error' else seat.status}"
        return (seat.result() or "it has ended") if seat.done() else ""

    def why(self, seat_id: str) -> str:
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        if not workers:
            return "Dask has no worker"
        lacking = [
            f"{need:g} {name}"
            for name, need in self._resources.items()
            if not any(worker["resources"].get(name, 0.0) >= need for worker in workers)
        ]
        if lacking:
            return f"Dask has no worker with {', '.join(lacking)}"
        busy = sum(len(found) for found in self._client.processing().values())
        threads = sum(worker["nthreads"] for worker in workers)
        return f"Dask has not started it yet: {busy} tasks on {threads} threads of {len(workers)} workers"

    def is_lost(self) -> bool:
        """Returns True once the client has closed itself, as it does 30 s after its scheduler was last there."""
        return bool(self._client.status == "closed")

    def close(self) -> None:
        for seat_id in list(self._seats):
            self.cancel(seat_id)
        self._client.close()


def _resources(settings: EngineSettings) -> dict[str, float]:
    """Returns what a seat takes of its worker's resources, which are what the worker's `--resources` says.

    GPU and MEMORY (bytes) are the names that Dask's own documentation gives them.
    """
    named = {"GPU": settings.gpus, "MEMORY": float(settings.memory_mib * MIB), **settings.options.get("resources", {})}
    return {name: need for name, need in named.items() if need}
