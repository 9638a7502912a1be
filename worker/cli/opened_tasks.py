"""Opens the tasks of an installation for one command: by this host's servers, or over HTTP.

Over HTTP no command loads a driver of a server or reads the settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from taskyard.worker.cli.port import TaskPort, is_remote

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
