"""Starts the worker, and beside it the processes of its agents: each spends most of its start on imports."""

from __future__ import annotations

from taskyard.core.config import Settings
from taskyard.core.private_files import refuse_inspection
from taskyard.worker.agents.launching import launched_ahead
from taskyard.worker.agents.pool_config import plain_agents


def run_worker(settings: Settings, *, dashboard: bool, demo: bool, migrate: bool) -> int:
    """Runs servers, worker and dashboard until a signal; returns the exit code.

    Raises ConfigurationError or Unavailable if something it needs is wrong or missing.
    """
    refuse_inspection()
    # the URL of an embedded Redis is not known yet, nor are all the settings of a demo
    is_known = settings.redis_url is not None and not demo
    specs = plain_agents(settings.pool_file, settings.agent_suffix) if is_known else []
    with launched_ahead(specs, settings.redis_url or "") as ahead:
        from taskyard.worker.app import serve  # by now, since it takes as long to import as an agent to start

        return serve(settings, ahead, dashboard=dashboard, demo=demo, migrate=migrate)
