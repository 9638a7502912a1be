"""Defines a cluster of an engine on this host: nodes that come, are killed, and come again."""

from __future__ import annotations

import abc
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import psutil

from taskyard.core.errors import Unavailable
from taskyard.worker.devtools.clusters.processes import Running, free_port, run_module, seats_below
from taskyard.worker.engines.settings import EngineSettings

CLUSTERS = ("ray", "dask", "celery")
NODES = 2
ROOM = 1  # seats of a node
STARTS = 3  # of what ends before it is there, as Ray does on a busy host


class Cluster(abc.ABC):
    """A head without room of its own, and nodes with room for `room` seats each, while it is entered."""

    name: ClassVar[str]
    ready: ClassVar[str]  # what a node says once it is there

    def __init__(self, folder: Path, variables: Mapping[str, str], nodes: int = NODES, room: int = ROOM) -> None:
        """`folder` is for what the processes say, `variables` for their environment. Starts nothing yet."""
        self._folder, self._variables, self._count, self._room = folder, dict(variables), nodes, room
        self._started = 0
        self._head: Running | None = None
        self.nodes: list[Running] = []

    @property
    @abc.abstractmethod
    def address(self) -> str:
        """Returns the address for agents."""

    @abc.abstractmethod
    def node_command(self, number: int, more: Sequence[str]) -> list[str]:
        """Returns the module that is a node, with its arguments."""

    def start_head(self) -> Running | None:
        """Starts what nodes need; returns None if that is there already."""
        return None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self._head = self.start_head()
            for _ in range(self._count):
                self.start_node()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kills everything."""
        for running in [*self.nodes, *([self._head] if self._head is not None else [])]:
            running.kill()
        self.nodes, self._head, self._count = [], None, 0

    @property
    def settings(self) -> EngineSettings:
        """Returns the engine of an agent whose seats come here."""
        return EngineSettings(self.name, self.address)

    def start_node(self, *more: str) -> Running:
        """Starts a node, with more arguments; returns once it is there. Raises Unavailable."""
        self._started += 1
        command = self.node_command(self._started, more)
        self.nodes.append(self._start_one(f"node-{self._started}", command, self.ready))
        return self.nodes[-1]

    def launch_node(self, *more: str) -> Running:
        """Starts a node, and does not wait until it is there."""
        self._started += 1
        command = self.node_command(self._started, more)
        node = run_module(self._folder, f"node-{self._started}", command, self._variables)
        self.nodes.append(node)
        return node

    def replace_dead_nodes(self) -> None:
        """Starts another node for each that has ended or was killed, and does not wait until it is there."""
        for node in [node for node in self.nodes if not node.is_alive]:
            self.kill_node(node)
        while len(self.nodes) < self._count:
            self.launch_node()

    def _start_one(self, name: str, command: Sequence[str], word: str) -> Running:
        """Starts a command, again if it ends before it has said the word; raises Unavailable."""
        for _ in range(STARTS):
            running = run_module(self._folder, name, command, self._variables)
            try:
                if running.wait_for_word(word):
                    return running
            except BaseException:
                running.kill()
                raise
            running.kill()
        raise Unavailable(f"{self.name}: {name} does not start: {_last_line(running)}")

    def kill_node(self, node: Running) -> None:
        """Kills a node with all its processes at once, as a loss of power would."""
        self.nodes.remove(node)
        node.kill()

    def processes(self) -> list[psutil.Process]:
        """Returns all processes, of nodes and of what they need, with those of seats."""
        every = [*self.nodes, *([self._head] if self._head is not None else [])]
        return [process for running in every for process in running.tree()]

    def seats(self) -> list[psutil.Process]:
        """Returns the processes of all seats on its nodes."""
        return seats_below([process for node in self.nodes for process in node.tree()])

    def node_of(self, pid: int) -> Running:
        """Returns the node that a process is on. Raises LookupError."""
        with suppress(psutil.NoSuchProcess):
            above = {process.pid for process in [psutil.Process(pid), *psutil.Process(pid).parents()]}
            for node in self.nodes:
                if node.process.pid in above:
                    return node
        raise LookupError(f"process {pid} is on none of the nodes")


class RayCluster(Cluster):
    """A head without CPUs, and nodes of one CPU each."""

    name = "ray"
    ready = "Ray runtime started"

    def __init__(self, folder: Path, variables: Mapping[str, str], nodes: int = NODES, room: int = ROOM) -> None:
        super().__init__(folder, variables, nodes, room)
        self._port = free_port()
        self._sockets = Path(tempfile.mkdtemp(prefix="ray-"))  # a socket's path must be short

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def start_head(self) -> Running:
        self._sockets.mkdir(mode=0o700, exist_ok=True)  # `close` removes it, and a cluster may be entered again
        own = ["--head", f"--port={self._port}", "--num-cpus=0", "--include-dashboard=false"]
        return self._start_one("head", self._start(*own, f"--temp-dir={self._sockets}"), self.ready)

    def node_command(self, number: int, more: Sequence[str]) -> list[str]:
        return self._start(f"--address={self.address}", f"--num-cpus={self._room}", *more)

    def close(self) -> None:
        super().close()
        shutil.rmtree(self._sockets, ignore_errors=True)

    @staticmethod
    def _start(*more: str) -> list[str]:
        limits = ["--object-store-memory=80000000", "--disable-usage-stats"]
        return ["ray.scripts.scripts", "start", "--block", *limits, *more]


class DaskCluster(Cluster):
    """A scheduler, and workers of one thread each, which a nanny starts again."""

    name = "dask"
    ready = "Registered to:"

    def __init__(self, folder: Path, variables: Mapping[str, str], nodes: int = NODES, room: int = ROOM) -> None:
        super().__init__(folder, variables, nodes, room)
        self._port = free_port()

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self._port}"

    def start_head(self) -> Running:
        command = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(self._port), "--no-dashboard"]
        return self._start_one("scheduler", command, "Scheduler at:")

    def node_command(self, number: int, more: Sequence[str]) -> list[str]:
        scratch = ["--local-directory", str(self._folder / f"scratch-{number}")]
        return [
            "distributed.cli.dask_worker",
            self.address,
            "--nthreads",
            str(self._room),
            "--no-dashboard",
            *scratch,
            *more,
        ]


class CeleryCluster(Cluster):
    """Workers of one process each, on a Redis that is there."""

    name = "celery"
    ready = " ready."

    def __init__(
        self, folder: Path, variables: Mapping[str, str], redis_url: str, nodes: int = NODES, room: int = ROOM
    ) -> None:
        """`redis_url` is that of the broker, as Taskyard writes it."""
        self._url = _broker_of(redis_url)
        super().__init__(folder, {**variables, "CELERY_BROKER_URL": self._url}, nodes, room)

    @property
    def address(self) -> str:
        return self._url

    def node_command(self, number: int, more: Sequence[str]) -> list[str]:
        app = ["celery", "-A", "taskyard.worker.engines.celery_node"]
        own = ["-Q", "taskyard", "-c", str(self._room), "-n", f"node-{number}@here", "-l", "info"]
        return [*app, "worker", *own, *more]


def open_cluster(
    name: str,
    folder: Path,
    redis_url: str,
    variables: Mapping[str, str] | None = None,
    nodes: int = NODES,
    room: int = ROOM,
) -> Cluster:
    """Returns a cluster of an engine (see CLUSTERS), to be entered; `redis_url` is the broker of Celery."""
    given = variables or {}
    if name == "celery":
        return CeleryCluster(folder, given, redis_url, nodes, room)
    return {"ray": RayCluster, "dask": DaskCluster}[name](folder, given, nodes, room)


def _broker_of(redis_url: str) -> str:
    """Returns the URL of a Redis as Celery writes it."""
    return redis_url.replace("unix://", "redis+socket://").replace("db=", "virtual_host=")


def _last_line(running: Running) -> str:
    lines = running.log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it says nothing"
