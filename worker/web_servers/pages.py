"""Makes the web servers that run beside a worker."""

from __future__ import annotations

from taskyard.core.config import Settings
from taskyard.worker.web_servers.api import ApiProcess
from taskyard.worker.web_servers.dashboard import DashboardProcess
from taskyard.worker.web_servers.supervisor import WebSupervisor


def web_servers(settings: Settings) -> list[WebSupervisor]:
    """Returns the dashboard, which shows where the API is, and the API; raises ConfigurationError without ports."""
    api = ApiProcess(settings)
    dashboard = DashboardProcess(settings, {"TASKYARD_API_PORT": str(api.port)})
    return [WebSupervisor(dashboard), WebSupervisor(api)]
