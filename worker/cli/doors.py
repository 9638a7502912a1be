"""Refuses commands that would silently use this host's servers where TASKYARD_URL names another installation."""

from __future__ import annotations

from typing import Any

from taskyard.core.errors import ConfigurationError
from taskyard.worker.cli.help_text import Command, Group
from taskyard.worker.cli.port import URL_VARIABLE, is_remote

# What goes over HTTP.
REMOTE = frozenset(
    {
        "submit", "list", "show", "why", "history", "logs", "cancel", "retry", "priority", "status", "agents", "types",
        "holds", "pause", "drain", "resume", "restart", "alerts", "ack", "silence", "unsilence", "silences", "report",
    }
)  # fmt: skip
# What is about this host alone, whatever installation others use.
OF_THIS_HOST = frozenset({"run", "agent", "api", "runbook", "rules", "migrate", "doctor", "prove", "soak", "bench"})


class LocalCommand(Command):
    """A command that needs this installation's servers."""

    def invoke(self, ctx: Any) -> Any:
        _refuse_remote(str(ctx.info_name))
        return super().invoke(ctx)


class LocalGroup(Group):
    """A group of such commands."""

    def invoke(self, ctx: Any) -> Any:
        if not {"-h", "--help"} & {*ctx.args, *ctx._protected_args}:
            _refuse_remote(str(ctx.info_name))
        return super().invoke(ctx)


def command_class(name: str) -> type[Command]:
    """Returns the class of a command, by where it works."""
    return Command if name in REMOTE | OF_THIS_HOST else LocalCommand


def _refuse_remote(name: str) -> None:
    """Raises ConfigurationError where commands go over HTTP."""
    if is_remote():
        problem = f"{URL_VARIABLE}: `{name}` does not work over HTTP: unset it, on a host that reaches the servers"
        raise ConfigurationError([problem])
