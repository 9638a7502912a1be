"""Runs the HTTP API as a child of the worker, and says where it is reached."""

from __future__ import annotations

from collections.abc import Mapping

from taskyard.core.access.request_guard import Authority, is_any_address, is_loopback_host, origin_of, parse_site
from taskyard.core.config import Settings
from taskyard.core.errors import ConfigurationError
from taskyard.worker.process.ports import find_port
from taskyard.worker.web_servers.web_process import WebProcess


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
    """Raises ConfigurationError if the API listens on all addresses, and no name says how clients reach it."""
    if is_any_address(settings.api_host) and not settings.api_hosts:
        raise ConfigurationError(
            [
                f"TASKYARD_API_HOSTS: not set: with TASKYARD_API_HOST={settings.api_host} it needs the names by which "
                "clients reach the API, e.g. api.example.com"
            ]
        )


def api_url(settings: Settings, port: int) -> str:
    """Returns the address of an API that listens on `port`, without a final slash."""
    if settings.api_hosts:
        site = parse_site(settings.api_hosts[0])
        authority = Authority(site.host, site.port or (None if site.scheme else port))
        return origin_of(site.scheme or "http", authority)
    host = "localhost" if is_loopback_host(settings.api_host) else settings.api_host
    return origin_of("http", Authority(host, port))
