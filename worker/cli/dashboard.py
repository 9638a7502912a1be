"""Implements the command that serves the dashboard."""

from __future__ import annotations

import os
import sys

from taskyard.extras import need_server_parts
from taskyard.worker.cli.output import print_line


def dashboard() -> None:
    """Serves the dashboard until Ctrl-C or SIGTERM, alone on this host: a worker may run on another one.

    It needs PostgreSQL and Redis: those of TASKYARD_DATABASE_URL and TASKYARD_REDIS_URL, or the embedded ones of a
    worker that runs in the same data folder. TASKYARD_DASHBOARD_HOST, _PORT, _HOSTS and _PATH say where it is.
    """
    need_server_parts()  # which the program that follows imports

    from taskyard.core.config import load_settings
    from taskyard.worker.web_servers.dashboard import DashboardProcess

    server = DashboardProcess(load_settings())
    print_line(f"The dashboard starts at {server.url}   (Ctrl-C stops it)")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *server.arguments])  # it hears signals itself
