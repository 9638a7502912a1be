"""Names the part of the package that an installation lacks.

`pip install taskyard` brings the client alone; its extra `cli` brings the command line, and `server` everything.
"""

from __future__ import annotations

from importlib.util import find_spec

CLI_MODULES = frozenset({"orjson", "typer"})
SERVER_MARK = "psycopg2"  # a module that comes with the extra only


def has_server_parts() -> bool:
    """Returns True if the extra `server` is installed."""
    return find_spec(SERVER_MARK) is not None


def hint(error: ModuleNotFoundError) -> str | None:
    """Returns how to install what an import lacked; None if all extras are installed, so that it is another lack."""
    lacking = (error.name or "taskyard").partition(".")[0]
    if lacking == "taskyard":
        return None
    if lacking in CLI_MODULES:
        extra = "cli"
    elif not has_server_parts():
        extra = "server"
    else:
        return None
    return f"{lacking} is not installed: pip install 'taskyard[{extra}]'"
