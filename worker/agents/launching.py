"""Starts the processes of agents, also ahead of time: each waits until it is told to begin.

A process spends most of its start on imports, and needs nobody for that. Until it has its proof it uses no server,
imports no module of users and has no name among the agents; if nobody tells it to begin, it ends.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from taskyard.worker.agents.health import HealthReceiver
from taskyard.worker.agents.launch import Launch, send_secrets
from taskyard.worker.agents.pool_config import AgentSpec

if TYPE_CHECKING:
    from taskyard.worker.remote.api_link import RemoteApi


@dataclass(slots=True)
class Launched:
    """The process of an agent that has not begun."""

    spec: AgentSpec
    boot_id: str
    process: subprocess.Popen[bytes]
    health: HealthReceiver

    @property
    def agent_id(self) -> str:
        return f"{self.spec.name}:{self.boot_id}"

    def begin(self, remote: RemoteApi | None = None) -> str:
        """Tells it to begin; returns its proof."""
        proof = secrets.token_hex(16)
        send_secrets(self.process, proof, remote.token if remote is not None else "", self.spec.engine)
        return proof

    def drop(self) -> None:
        """Ends it; nobody knows of it."""
        self.process.kill()
        self.process.communicate()
        self.health.close()


def launch(spec: AgentSpec, redis_url: str, variables: Mapping[str, str], remote: RemoteApi | None = None) -> Launched:
    """Starts a process for an agent. Raises OSError or MemoryError if the system refuses it.

    The kernel ends it when the thread that called this ends.
    """
    boot_id = uuid.uuid4().hex[:12]
    health = HealthReceiver()
    command = Launch.of(spec, boot_id, health.write_end, remote).command()
    # the URL may hold a password, and arguments are public: it goes through the environment
    environment = {**os.environ, **variables, "TASKYARD_REDIS_URL": redis_url}
    try:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, pass_fds=[health.write_end])
    except BaseException:
        health.close()
        raise
    finally:
        health.close_write_end()
    return Launched(spec, boot_id, process, health)


@dataclass(slots=True)
class LaunchedAhead:
    """Processes of agents that a pool is expected to need."""

    _waiting: dict[str, Launched] = field(default_factory=dict)  # by name
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, spec: AgentSpec) -> Launched | None:
        """Returns the process that waits for this agent; None if there is none, or another one is meant."""
        with self._lock:
            found = self._waiting.pop(spec.name, None)
        if found is None or (found.spec == spec and found.process.poll() is None):
            return found
        found.drop()
        return None

    def drop_rest(self) -> None:
        """Ends those that nobody took."""
        with self._lock:
            rest, self._waiting = list(self._waiting.values()), {}
        for one in rest:
            one.drop()


@contextmanager
def launched_ahead(specs: Sequence[AgentSpec], redis_url: str) -> Iterator[LaunchedAhead]:
    """Starts processes for the first of these agents; ends those that nobody took by the end of the block.

    There are no more than processors besides the one that this process keeps busy: more of them would keep it, and
    each other, from the first task.
    """
    waiting: dict[str, Launched] = {}
    ahead = LaunchedAhead(waiting)
    try:
        for spec in specs[: max(1, (os.cpu_count() or 1) - 1)]:
            try:
                waiting[spec.name] = launch(spec, redis_url, {})
            except (OSError, MemoryError):
                break  # the pool tries again, and says so
        yield ahead
    finally:
        ahead.drop_rest()
