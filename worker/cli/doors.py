"""Tells where each command works, and refuses those that would silently use this host's servers.

TASKYARD_URL names an installation that is reached over HTTP. The table of operations says which commands go there.
"""

from __future__ import annotations

from typing import Any

from taskyard.core.access.operations import AT_THE_SERVERS, OVER_HTTP
from taskyard.core.errors import ConfigurationError
from taskyard.worker.cli.exits import EXIT_CODE_HELP
from taskyard.worker.cli.help_text import Command
from taskyard.worker.cli.ports.place import URL_VARIABLE, is_remote


class RemoteCommand(Command):
    """A command that goes over HTTP if TASKYARD_URL says where."""

    place = "Works over HTTP too: TASKYARD_URL and TASKYARD_TOKEN say where."


class LocalCommand(Command):
    """A command that needs this installation's servers."""

    place = "Works on a host that reaches PostgreSQL, not over HTTP."

    def invoke(self, ctx: Any) -> Any:
        if is_remote():
            name = str(ctx.command_path).partition(" ")[2]
            works = "works on a host that reaches PostgreSQL, not over HTTP"
            raise ConfigurationError([f"{URL_VARIABLE}: `{name}` {works}: unset {URL_VARIABLE} there"])
        return super().invoke(ctx)


class HostCommand(Command):
    """A command about this host alone, whatever installation others use."""

    place = "It is about the host it runs on."


def command_class(name: str) -> type[Command]:
    """Returns the class of a command, those of groups with their group, by where it works."""
    if name in OVER_HTTP:
        return RemoteCommand
    return LocalCommand if name in AT_THE_SERVERS else HostCommand


def placed(name: str, example: str) -> dict[str, Any]:
    """Returns what a command of a group is registered with: its class, and the end of its help."""
    return {"cls": command_class(name), "epilog": f"Example: taskyard {example}\n\n{EXIT_CODE_HELP}"}
