"""Names the part of the package that an installation lacks.

`pip install taskyard` brings the client alone. Its extra `cli` brings the command line, `agent` what hosts of agents
and of seats need, `server` everything; extras of engines bring `agent`, too.
"""

from __future__ import annotations

from importlib.util import find_spec

CLI_MODULES = frozenset({"orjson", "rich", "typer", "yaml"})
AGENT_COMMANDS = frozenset({"agent", "doctor", "seats"})  # which need no more than the extra `agent`
AGENT_MARK = "psycopg2"  # a module that comes with the extra only
SERVER_MARK = "streamlit"


def has_agent_parts() -> bool:
    """Returns True if the extra `agent` is installed."""
    return find_spec(AGENT_MARK) is not None


def has_server_parts() -> bool:
    """Returns True if the extra `server` is installed."""
    return find_spec(SERVER_MARK) is not None


def need_server_parts() -> None:
    """Raises ModuleNotFoundError, as an import would, if the extra `server` is not installed."""
    if not has_server_parts():
        raise ModuleNotFoundError(f"No module named {SERVER_MARK!r}", name=SERVER_MARK)


def hint(error: ModuleNotFoundError, command: str = "") -> str | None:
    """Returns how to install what an import lacked; None if all extras are installed, so that it is another lack.

    `command` is the one that lacked it, if it was a command.
    """
    lacking = (error.name or "taskyard").partition(".")[0]
    if lacking == "taskyard":
        return None
    if lacking in CLI_MODULES:
        extra = "cli"
    elif command in AGENT_COMMANDS and not has_agent_parts():
        extra = "agent"
    elif not has_server_parts():
        extra = "server"
    else:
        return None
    return f"{lacking} is not installed: pip install 'taskyard[{extra}]'"
