"""Implements the command that serves the HTTP API."""

from __future__ import annotations

from taskyard.worker.cli.output import print_line


def api() -> None:
    """Serves the HTTP API until Ctrl-C or SIGTERM, alone on this host: a worker may run on another one.

    It needs PostgreSQL and Redis: those of TASKYARD_DATABASE_URL and TASKYARD_REDIS_URL, or the embedded ones of a
    worker that runs in the same data folder. TASKYARD_API_HOST, _PORT and _WORKERS say where it listens, and with how
    many processes.
    """
    from taskyard.api.services import open_services
    from taskyard.api.serving import serve
    from taskyard.core.api_settings import api_url
    from taskyard.core.config import load_settings
    from taskyard.worker.process.ports import find_port, listening_socket
    from taskyard.worker.web_servers.api import check_api_hosts

    settings = load_settings()
    check_api_hosts(settings)
    port = find_port(settings, "api")
    services = open_services(settings)  # what is missing is said before anything listens
    listening = listening_socket(settings.api_host, port)
    url = api_url(settings, port)
    print_line(f"The API is up: {url}/api/v1, documentation: {url}/docs   (Ctrl-C stops it)")
    serve(settings, listening, services)
