"""Extends the world by an engine: the agents' attempts run in seats on its nodes, and both may die."""

from __future__ import annotations

import time
from contextlib import suppress

import psutil

from taskyard.core.config import Settings
from taskyard.worker.devtools.clusters.cluster import Cluster, open_cluster
from taskyard.worker.devtools.clusters.processes import holder_of
from taskyard.worker.devtools.prove import plan
from taskyard.worker.devtools.prove.served_world import ServedWorld
from taskyard.worker.devtools.prove.tasks import LEDGER_VARIABLE
from taskyard.worker.engines.seat_main import SEAT_MODULE

NODES, ROOM = 3, 2  # so that without one of its nodes the engine is short of room
TASKS_PER_SECOND = 10.0
END_SECONDS = 10.0  # by when seats have ended whose agents have
ENGINE = """
[agents.engine]
name = "{name}"
address = "{address}"
idle_seconds = 2  # an idle seat is in the way of another agent's
wait_seconds = 10  # what a broker has lost never comes
"""


class EngineWorld(ServedWorld):
    """A ServedWorld whose agents have an engine."""

    slots = 2
    tasks_per_second = TASKS_PER_SECOND

    def __init__(self, settings: Settings, engine: str) -> None:
        super().__init__(settings)
        self._engine = engine
        self._cluster: Cluster | None = None

    @property
    def cluster(self) -> Cluster:
        assert self._cluster is not None
        return self._cluster

    def prepare(self) -> None:
        """Starts the nodes; raises Unavailable."""
        variables = {LEDGER_VARIABLE: str(self.ledger)}
        opened = open_cluster(self._engine, self.folder / self._engine, self._redis.url, variables, NODES, ROOM)
        self._cluster = self._opened.enter_context(opened)

    def pool(self, kind: str, agents: int) -> str:
        return super().pool(kind, agents) + ENGINE.format(name=self._engine, address=self.cluster.address)

    def tend(self) -> None:
        """Restarts workers, the API and nodes that have died."""
        super().tend()
        if self._cluster is not None:
            self._cluster.replace_dead_nodes()

    def kill(self, kill: plan.Kill) -> str:
        """Kills as planned; a node is replaced by `tend`. Returns who died."""
        if kill.kind == plan.SEAT:
            return self._kill_seat(kill)
        if kill.kind == plan.NODE:
            return self._kill_node(kill)
        return super().kill(kill)

    def stop(self) -> list[str]:
        """Stops the API, workers and agents as an operator would; returns what is left of them, and of their seats."""
        left = super().stop()
        if self._cluster is not None:
            self._cluster.close()
        return left

    def _handlers(self) -> list[psutil.Process]:
        children = []
        for seat in self.cluster.seats():
            with suppress(psutil.NoSuchProcess):
                children += [child for fork_server in seat.children() for child in fork_server.children()]
        return children

    def _kill_seat(self, kill: plan.Kill) -> str:
        seats = self.cluster.seats()
        if not seats:
            return ""
        victim = seats[int(kill.which * len(seats))]
        with suppress(psutil.NoSuchProcess):
            (victim if kill.way == "SIGKILL" else holder_of(victim)).kill()
        return f"process {victim.pid}"

    def _kill_node(self, kill: plan.Kill) -> str:
        nodes = [node for node in self.cluster.nodes if node.is_alive]
        if not nodes:
            return ""
        victim = nodes[int(kill.which * len(nodes))]
        self.cluster.kill_node(victim)
        return f"node {victim.process.pid}"

    def _is_ours(self, process: psutil.Process) -> bool:
        """Leaves out the engine's own processes."""
        if self._cluster is None or process.pid not in self._pids_of_engine():
            return True
        return any(SEAT_MODULE in one.cmdline() for one in [process, *process.parents()])

    def _pids_of_engine(self) -> set[int]:
        return {process.pid for process in self.cluster.processes()}

    def _orphans(self) -> list[str]:
        deadline = time.monotonic() + END_SECONDS
        while (found := super()._orphans()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found
