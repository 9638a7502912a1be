"""Starts the processes of agents, also ahead of time: each waits until it is told to begin.

A process spends most of its start on imports, and needs nobody for that; so one imports for all that start at once,
see siblings.py. Until a process has its proof it uses no server, imports no module of users and has no name among the
agents; if nobody tells it to begin, it ends.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from taskyard.worker.agents.adopted import Adopted, AgentProcess
from taskyard.worker.agents.health import HealthReceiver
from taskyard.worker.agents.launch import Launch, command_of, send_secrets
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.isolation.kernel import LINUX
from taskyard.worker.isolation.process_tree import set_subreaper

if TYPE_CHECKING:
    from taskyard.worker.remote.api_link import RemoteApi

MAKE_SECONDS = 60.0  # a process that has not imported what it needs by then hangs, or its host does
_DROP_POLL_SECONDS = 0.001
_READ_BYTES = 1 << 16


class Place:
    """The pool's ends of the pipes of one agent, and what tells it from others."""

    def __init__(self, spec: AgentSpec) -> None:
        """Raises OSError if no descriptor is left."""
        self.spec, self.boot_id, self.health = spec, uuid.uuid4().hex[:12], HealthReceiver()
        try:
            self.secrets_end, written_end = os.pipe()
        except OSError:
            self.health.close_write_end()
            self.health.close()
            raise
        self.secrets = open(written_end, "wb")  # noqa: SIM115 - closed once it has begun

    def launch(self, remote: RemoteApi | None) -> Launch:
        """Returns the parameters of its process."""
        return Launch.of(self.spec, self.boot_id, self.secrets_end, self.health.write_end, remote)

    def close_ends_of_agent(self) -> None:
        """Closes this process's copies of what the agent's process has."""
        self.health.close_write_end()
        os.close(self.secrets_end)

    def close(self) -> None:
        """Closes this process's ends."""
        self.health.close()
        self.secrets.close()


@dataclass(slots=True)
class Launched:
    """The process of an agent that has not begun."""

    place: Place
    process: AgentProcess

    @property
    def spec(self) -> AgentSpec:
        return self.place.spec

    @property
    def health(self) -> HealthReceiver:
        return self.place.health

    @property
    def agent_id(self) -> str:
        return f"{self.spec.name}:{self.place.boot_id}"

    def begin(self, remote: RemoteApi | None = None) -> str:
        """Tells it to begin; returns its proof."""
        proof = secrets.token_hex(16)
        send_secrets(self.place.secrets, proof, remote.token if remote is not None else "", self.spec.engine)
        return proof

    def drop(self) -> None:
        """Ends it; nobody knows of it."""
        _end(self.process)
        self.place.close()


@dataclass(slots=True)
class Launching:
    """Processes that are being made: the first agent's, which makes the others'."""

    _first: subprocess.Popen[bytes]
    _places: list[Place]
    _made: int  # the pipe by which it tells their ids
    _adopted_before: bool  # whether this process adopted orphans before

    def finish(self) -> list[Launched]:
        """Waits until all are made; returns those that are. The others are forgotten."""
        is_whole, told = _all_of(self._made) if len(self._places) > 1 else (True, b"")
        os.close(self._made)
        set_subreaper(self._adopted_before)
        pids = {int(number): int(pid) for number, pid in (line.split() for line in told.splitlines())}
        launched: list[Launched] = []
        for number, place in enumerate(self._places):
            if number == 0 and is_whole:
                launched.append(Launched(place, self._first))
            elif number in pids:
                launched.append(Launched(place, Adopted(pids[number])))
            else:
                place.close()
        if not is_whole:
            import structlog  # the pool's process has it by now; nothing else here needs it

            structlog.get_logger(__name__).error(
                "agents.not_made", name=self._places[0].spec.name, seconds=MAKE_SECONDS
            )
            _end(self._first)
        return launched


def launch_all(
    specs: Sequence[AgentSpec], redis_url: str, variables: Mapping[str, str], remote: RemoteApi | None = None
) -> Launching:
    """Starts processes for agents; returns before they are made. Raises OSError or MemoryError if the system refuses.

    The kernel ends the first one when the thread that called this ends, and the others when this process does.
    """
    places: list[Place] = []
    made, made_end = os.pipe()
    adopted_before = False
    try:
        for spec in specs:
            places.append(Place(spec))
        launches = [place.launch(remote) for place in places]
        # the URL may hold a password, and arguments are public: it goes through the environment
        environment = {**os.environ, **variables, "TASKYARD_REDIS_URL": redis_url}
        kept = [made_end, *(descriptor for launch in launches for descriptor in launch.descriptors)]
        if len(specs) > 1:
            adopted_before = set_subreaper(True)
        with _file_of(launches[1:]) as others, _without_interrupts():
            process = subprocess.Popen(command_of(launches, made_end), env=environment, stdin=others, pass_fds=kept)
    except BaseException:
        os.close(made)
        for place in places:
            place.close()
        set_subreaper(adopted_before)
        raise
    finally:
        os.close(made_end)
        for place in places:
            place.close_ends_of_agent()
    return Launching(process, places, made, adopted_before)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Keeps a terminal's Ctrl-C from a process that is started meanwhile, until that process ignores it itself."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _file_of(launches: Sequence[Launch]) -> BinaryIO:
    """Returns a file in memory, or an empty one for none, with the parameters of several agents to be read."""
    if not launches:
        return open(os.devnull, "rb")
    file = open(os.memfd_create("agents"), "wb+")  # noqa: SIM115 - the caller closes it
    file.write(msgspec.json.encode(launches))
    file.seek(0)
    return file


def _all_of(pipe: int) -> tuple[bool, bytes]:
    """Returns what is written to a pipe, and whether its other end was closed within MAKE_SECONDS."""
    told = b""
    end = time.monotonic() + MAKE_SECONDS
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while poll.poll(max(0.0, end - time.monotonic()) * 1000):
        read = os.read(pipe, _READ_BYTES)
        if not read:
            return True, told
        told += read
    return False, told


def _end(process: AgentProcess) -> None:
    while process.poll() is None:
        process.kill()
        time.sleep(_DROP_POLL_SECONDS)


@dataclass(slots=True)
class LaunchedAhead:
    """Processes of agents that a pool is expected to need."""

    _launching: list[Launching] = field(default_factory=list)
    _waiting: dict[str, Launched] = field(default_factory=dict)  # by name
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def prepare(
        self, specs: Sequence[AgentSpec], redis_url: str, variables: Mapping[str, str], remote: RemoteApi | None = None
    ) -> None:
        """Starts a process for each of these agents, unless the system refuses it: then the pool tries again."""
        groups = [list(specs)] if LINUX else [[spec] for spec in specs]
        with self._lock, contextlib.suppress(OSError, MemoryError):
            for group in groups:
                self._launching.append(launch_all(group, redis_url, variables, remote))

    def missing(self, specs: Sequence[AgentSpec]) -> list[AgentSpec]:
        """Returns those of these agents for which no process waits."""
        with self._lock:
            self._finish()
            return [spec for spec in specs if spec.name not in self._waiting]

    def take(self, spec: AgentSpec) -> Launched | None:
        """Returns the process that waits for this agent; None if there is none, or another one is meant."""
        with self._lock:
            self._finish()
            found = self._waiting.pop(spec.name, None)
        if found is None or (found.spec == spec and found.process.poll() is None):
            return found
        found.drop()
        return None

    def drop_rest(self) -> None:
        """Ends those that nobody took."""
        with self._lock:
            self._finish()
            rest, self._waiting = list(self._waiting.values()), {}
        for one in rest:
            one.drop()

    def _finish(self) -> None:
        while self._launching:
            for one in self._launching.pop().finish():
                self._waiting[one.spec.name] = one


@contextmanager
def launched_ahead(specs: Sequence[AgentSpec], redis_url: str) -> Iterator[LaunchedAhead]:
    """Starts processes for these agents; ends those that nobody took by the end of the block."""
    ahead = LaunchedAhead()
    if specs:
        ahead.prepare(specs, redis_url, {})
    try:
        yield ahead
    finally:
        ahead.drop_rest()
