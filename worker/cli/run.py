"""Implements the commands that start what keeps running: run, agent.

They are assembled apart from all others, whose modules and parameters they would hold for as long as they run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from taskyard.worker.cli.root import RUN, add_command, new_app, run_app


def run(
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Also serve the dashboard.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Submit sample work if there is no task yet.")] = False,
    migrate: Annotated[bool, typer.Option("--migrate", help="Bring the database to this version first.")] = False,
) -> None:
    """Runs the worker and its agents until Ctrl-C or SIGTERM.

    Starts its own PostgreSQL and Redis where no URL is configured. The first signal lets running tasks finish
    within the grace period, a second one ends at once.
    """
    from taskyard.core.config import load_settings
    from taskyard.worker.start import run_worker

    raise typer.Exit(run_worker(load_settings(), dashboard=dashboard, demo=demo, migrate=migrate))


def agent(
    pool: Annotated[Path | None, typer.Option(metavar="FILE", help="The pool's TOML file.")] = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Come by the API here, with a token; default TASKYARD_URL.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="The agent's token. Others can see it in `ps`: prefer the file.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file with the token; default TASKYARD_AGENT_TOKEN.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Trust these certificates (PEM) instead of the usual ones.")
    ] = None,
) -> None:
    """Runs agents alone on this host; they need only TASKYARD_REDIS_URL and a worker on another host.

    With a token it runs the one agent that the token names, over HTTPS: it needs only the API, neither PostgreSQL nor
    Redis. The pool file then has one agent; without a file it takes all types that the token permits. It ends with 77
    if the API refuses the token.
    """
    from taskyard.core.config import load_settings
    from taskyard.worker.agent_host import run_agents, run_remote_agent
    from taskyard.worker.remote.api_link import remote_api

    settings = load_settings()
    remote = remote_api(url, token, token_file, ca_file)
    raise typer.Exit(run_agents(settings, pool) if remote is None else run_remote_agent(settings, pool, remote))


COMMANDS = (
    ("run", run, RUN, "run --dashboard --demo"),
    ("agent", agent, RUN, "agent --pool gpu.toml"),
)
NAMES = frozenset(name for name, *_ in COMMANDS)


def main(name: str) -> None:
    """Runs one of these commands with the program's arguments, and exits."""
    app = new_app()
    for command in COMMANDS:
        if command[0] == name:
            add_command(app, *command)
    run_app(app)
