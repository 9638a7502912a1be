"""Defines what a pool and the processes of its agents tell each other by arguments, pipes and exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

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
    secrets_fd: int  # the pipe by which it is told to begin
    health_fd: int | None = None  # the pipe for its health reports
    agent_class: str = ""  # "module:Class"; empty: the shipped one
    api_url: str = ""  # of the API that it comes by; empty: by Redis
    ca_file: str = ""  # certificates that it trusts instead of the usual ones

    @classmethod
    def of(
        cls, spec: AgentSpec, boot_id: str, secrets_fd: int, health_fd: int, remote: RemoteApi | None = None
    ) -> Launch:
        """Returns the parameters that this process, its supervisor, gives an agent of a pool."""
        return cls(
            spec.name,
            boot_id,
            spec.kind,
            list(spec.types),
            list(spec.tags),
            spec.max_concurrency,
            os.getpid(),
            secrets_fd,
            health_fd,
            spec.agent_class,
            remote.address.url if remote is not None else "",
            str(remote.ca_file.absolute()) if remote is not None and remote.ca_file is not None else "",
        )

    @property
    def descriptors(self) -> list[int]:
        """Returns the ends of pipes that its process has."""
        return [self.secrets_fd] if self.health_fd is None else [self.secrets_fd, self.health_fd]


def command_of(launches: Sequence[Launch], made_fd: int) -> list[str | bytes]:
    """Returns the command line of the process of the first agent, which makes those of the others.

    It reads theirs from its standard input, and writes their process ids to the pipe `made_fd`, see siblings.py.
    """
    texts = [msgspec.json.encode(launch) for launch in launches]
    first = texts[0].ljust(max(map(len, texts)))  # room for each of them to show its own
    return [sys.executable, "-m", "taskyard.worker.agents.main", str(made_fd), first]


def shown_launch(arguments: Sequence[str]) -> Launch | None:
    """Returns the launch of an agent's process from its arguments; None while it is still being made, or gone."""
    try:
        return msgspec.json.decode(arguments[-1], type=Launch)
    except (IndexError, msgspec.DecodeError):
        return None


def send_secrets(pipe: BinaryIO, proof: str, token: str = "", engine: EngineSettings | None = None) -> None:
    """Sends a new agent its proof, its token and its engine, if it has them, by its pipe, and closes that."""
    told = b"" if engine is None else msgspec.json.encode(engine)
    with contextlib.suppress(BrokenPipeError), pipe:  # it is dead already, as `poll` will say
        pipe.write(f"{proof}\n{token}\n".encode() + told + b"\n")
