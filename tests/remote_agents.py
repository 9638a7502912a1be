"""Agents that come by the API: tokens for them, agents in threads, and agents as processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taskyard.client.address import address_of
from taskyard.core.access.identity import EVERY, local_actor
from taskyard.core.access.permissions import Role
from taskyard.core.access.principals import Kind
from taskyard.core.config import ENV_PREFIX
from taskyard.core.protocol import VERSION, AgentInfo
from taskyard.core.submission import authorized_access
from taskyard.worker.remote.api_link import ApiLink, RemoteApi
from taskyard.worker.remote.http_port import HttpAgentPort
from tests.engine import Engine, InlineAgent, RunningAgent
from tests.servers import REPOSITORY, wait_until

STOP_SECONDS = 15


def agent_token(engine: Engine, name: str, *types: str, role: Role = Role.VIEWER) -> str:
    """A token of a new agent that is narrowed to types."""
    with engine.database.transaction() as tx:
        authorized_access.create(tx, local_actor(), name, role, kind=Kind.AGENT, types=types or (EVERY,))
        return authorized_access.make_token(tx, local_actor(), name)[0]


def service_token(engine: Engine, name: str, role: Role) -> str:
    """A token of a new service."""
    with engine.database.transaction() as tx:
        authorized_access.create(tx, local_actor(), name, role, kind=Kind.SERVICE)
        return authorized_access.make_token(tx, local_actor(), name)[0]


class RemoteInlineAgent(RunningAgent):
    """An InlineAgent over HTTP, in threads; it is welcomed once it is made."""

    def __init__(self, engine: Engine, url: str, token: str, name: str, *types: str, slots: int = 3) -> None:
        remote = RemoteApi(address_of(url, token, {}))
        self.links = [ApiLink(remote), ApiLink(remote, pauses=False)]
        boot_id = uuid.uuid4().hex[:12]
        id_ = f"{name}:{boot_id}"
        info = AgentInfo(id_, name, boot_id, "test", "here", os.getpid(), list(types), [], slots, VERSION)
        ports = [HttpAgentPort(link, wait_seconds=0.5) for link in self.links]
        agent = InlineAgent(info, *ports, engine.settings, engine.registry)  # type: ignore[arg-type]
        super().__init__(agent, self.links)  # type: ignore[arg-type]
        wait_until(agent.welcomed.is_set, message="the agent was not welcomed")


@contextmanager
def remote_inline_agent(
    engine: Engine, url: str, token: str, name: str, *types: str, slots: int = 3
) -> Iterator[RemoteInlineAgent]:
    """An agent over HTTP that drains at the end."""
    running = RemoteInlineAgent(engine, url, token, name, *(types or ("*",)), slots=slots)
    try:
        yield running
    finally:
        running.stop()


@contextmanager
def agent_process(
    url: str, token: str, data_dir: Path, *words: str, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """`taskyard agent --url`, with nothing of the servers in its environment; stopped at the end."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    environment = {
        **inherited,
        "TASKYARD_AGENT_TOKEN": token,
        "TASKYARD_DATA_DIR": str(data_dir),
        "TASKYARD_METRICS_PORT": "0",
        **variables,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "taskyard", "agent", "--url", url, *words],
        cwd=REPOSITORY,
        env=environment,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
