"""Runs the dashboard as a child of the worker."""

from __future__ import annotations

import os
from collections.abc import Mapping

from taskyard.core.access.reached import reached_by
from taskyard.core.config import Settings
from taskyard.core.paths import FILES
from taskyard.worker.process.ports import find_port
from taskyard.worker.web_servers.web_process import WebProcess, check_names

APP = FILES / "dashboard" / "app.py"
STREAMLIT_PATH = "STREAMLIT_SERVER_BASE_URL_PATH"


class DashboardProcess(WebProcess):
    """A Streamlit server for `dashboard/app.py`."""

    def __init__(self, settings: Settings, environment: Mapping[str, str] | None = None) -> None:
        """Adds `environment` to the server's variables; without it the server has this process's settings.

        Raises ConfigurationError if there is no port for it.
        """
        given = environment or {}
        host = settings.dashboard_host
        check_names(settings.auth, "DASHBOARD", host, settings.dashboard_hosts, "browsers reach the dashboard")
        # Streamlit's own setting counts, too: the option below would otherwise override it
        path = (settings.dashboard_path or {**os.environ, **given}.get(STREAMLIT_PATH, "")).strip("/")
        port = find_port(settings, "dashboard")
        options = [f"--server.address={host}", f"--server.port={port}", "--server.headless=true"]
        options.append(f"--server.baseUrlPath={path}")
        # its banner would ask a server on the internet for this host's address; we print where the dashboard is
        options.append("--logger.hideWelcomeMessage=true")
        arguments = ["-m", "streamlit", "run", str(APP), *options]
        super().__init__("dashboard", page_url(settings, port, path), host, port, arguments, given)


def page_url(settings: Settings, port: int, path: str = "") -> str:
    """Returns the address of a dashboard that listens on `port`, below `path`; no final slash."""
    origin = reached_by(settings.dashboard_host, settings.dashboard_hosts, port)
    return f"{origin}/{path.strip('/')}".rstrip("/")
