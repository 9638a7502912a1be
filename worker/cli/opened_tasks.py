"""Opens an installation, or its tasks, for one command: by this host's servers, or over HTTP.

Over HTTP no command loads a driver of a server or reads the settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from taskyard.worker.cli.port import TaskPort, is_remote
from taskyard.worker.cli.site_port import SitePort

RETRY_SECONDS = 5.0  # somebody looks at a screen


@contextmanager
def opened_tasks() -> Iterator[TaskPort]:
    """Opens the installation that this process's environment names; connects when something is asked.

    Raises ConfigurationError or Unavailable.
    """
    if is_remote():
        from taskyard.client import Client
        from taskyard.worker.cli.remote_tasks import RemoteTasks

        with Client(retry_seconds=RETRY_SECONDS) as client:
            yield RemoteTasks(client)
    else:
        from taskyard.worker.cli.local_tasks import LocalTasks

        with ExitStack() as opened:
            yield LocalTasks(opened)


@contextmanager
def opened_site() -> Iterator[SitePort]:
    """Opens the same installation for commands on the whole of it; raises ConfigurationError or Unavailable."""
    if is_remote():
        from taskyard.client import Client
        from taskyard.worker.cli.remote_site import RemoteSite

        with Client(retry_seconds=RETRY_SECONDS) as client:
            yield RemoteSite(client)
    else:
        from taskyard.worker.cli.local_site import LocalSite

        with ExitStack() as opened:
            yield LocalSite(opened)
