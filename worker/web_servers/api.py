"""Runs the HTTP API as a child of the worker, and says where it is reached."""

from __future__ import annotations

from collections.abc import Mapping

from taskyard.core.api_settings import api_url
from taskyard.core.config import Settings
from taskyard.worker.process.ports import find_port
from taskyard.worker.web_servers.web_process import WebProcess, check_names


class ApiProcess(WebProcess):
    """`taskyard api`, with this process's settings."""

    def __init__(self, settings: Settings, environment: Mapping[str, str] | None = None) -> None:
        """Adds `environment` to the server's variables. Raises ConfigurationError if there is no port for it."""
        check_api_hosts(settings)
        port = find_port(settings, "api")
        chosen = {**(environment or {}), "TASKYARD_API_PORT": str(port)}
        url = api_url(settings, port)
        super().__init__("api", url, settings.api_host, port, ["-m", "taskyard", "api"], chosen)


def check_api_hosts(settings: Settings) -> None:
    """Raises ConfigurationError if the API would let others in than this machine, or lacks a name to be reached by."""
    check_names(settings.auth, "API", settings.api_host, settings.api_hosts, "clients reach the API")
