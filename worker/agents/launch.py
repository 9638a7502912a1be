"""Defines what a pool and the process of an agent tell each other by arguments, standard input and exit code."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec

from taskyard.worker.engines.settings import EngineSettings

if TYPE_CHECKING:
    from taskyard.worker.agents.pool_config import AgentSpec
    from taskyard.worker.remote.api_link import RemoteApi

EXIT_REPLACE = 75  # EX_TEMPFAIL: start another one
EXIT_REFUSED = 77  # EX_NOPERM: the API does not accept its token


class Launch(msgspec.Struct):
    """The pool's parameters for a new agent process."""

    name: str
    boot_id: str
    kind: str
    types: list[str]
    tags: list[str]
    max_concurrency: int
    parent_pid: int
    health_fd: int | None = None  # the pipe for its health reports
    agent_class: str = ""  # "module:Class"; empty: the shipped one
    api_url: str = ""  # of the API that it comes by; empty: by Redis
    ca_file: str = ""  # certificates that it trusts instead of the usual ones

    @classmethod
    def of(cls, spec: AgentSpec, boot_id: str, health_fd: int, remote: RemoteApi | None = None) -> Launch:
        """Returns the parameters that this process, its supervisor, gives an agent of a pool."""
        return cls(
            spec.name,
            boot_id,
            spec.kind,
            list(spec.types),
            list(spec.tags),
            spec.max_concurrency,
            os.getpid(),
            health_fd,
            spec.agent_class,
            remote.address.url if remote is not None else "",
            str(remote.ca_file.absolute()) if remote is not None and remote.ca_file is not None else "",
        )

    def command(self) -> list[str]:
        """Returns the command line of the new process."""
        return [sys.executable, "-m", "taskyard.worker.agents.main", msgspec.json.encode(self).decode()]


def send_secrets(
    process: subprocess.Popen[bytes], proof: str, token: str = "", engine: EngineSettings | None = None
) -> None:
    """Sends a new agent its proof, its token and its engine, if it has them, by its standard input, a pipe."""
    told = b"" if engine is None else msgspec.json.encode(engine)
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:  # it is dead already, as `poll` will say
            pipe.write(f"{proof}\n{token}\n".encode() + told + b"\n")
