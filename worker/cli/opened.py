"""Opens an installation, or its tasks, for one command: by this host's servers, or over HTTP.

Over HTTP no command loads a driver of a server or reads the settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from taskyard.worker.cli.ports.access import AccessPort
from taskyard.worker.cli.ports.bulk import BulkPort
from taskyard.worker.cli.ports.mail import MailPort
from taskyard.worker.cli.ports.site import SitePort
from taskyard.worker.cli.ports.tasks import TaskPort, is_remote
from taskyard.worker.cli.ports.webhooks import HookPort, WebhookPort

RETRY_SECONDS = 5.0  # somebody looks at a screen


@contextmanager
def opened_tasks() -> Iterator[TaskPort]:
    """Opens the installation that this process's environment names; connects when something is asked.

    Raises ConfigurationError or Unavailable.
    """
    if is_remote():
        from taskyard.client import Client
        from taskyard.worker.cli.remote.tasks import RemoteTasks

        with Client(retry_seconds=RETRY_SECONDS) as client:
            yield RemoteTasks(client)
    else:
        from taskyard.worker.cli.local.tasks import LocalTasks

        with ExitStack() as opened:
            yield LocalTasks(opened)


@contextmanager
def opened_site() -> Iterator[SitePort]:
    """Opens the same installation for commands on the whole of it; raises ConfigurationError or Unavailable."""
    if is_remote():
        from taskyard.client import Client
        from taskyard.worker.cli.remote.site import RemoteSite

        with Client(retry_seconds=RETRY_SECONDS) as client:
            yield RemoteSite(client)
    else:
        from taskyard.worker.cli.local.site import LocalSite

        with ExitStack() as opened:
            yield LocalSite(opened)


@contextmanager
def opened_bulk() -> Iterator[BulkPort]:
    """Opens the same installation for commands on many tasks; raises ConfigurationError or Unavailable."""
    if is_remote():
        from taskyard.client import Client
        from taskyard.worker.cli.remote.bulk import RemoteBulk

        with Client(retry_seconds=RETRY_SECONDS) as client:
            yield RemoteBulk(client)
    else:
        from taskyard.worker.cli.local.bulk import LocalBulk

        with ExitStack() as opened:
            yield LocalBulk(opened)


@contextmanager
def opened_access() -> Iterator[AccessPort]:
    """Opens the same installation for commands on access; raises ConfigurationError or Unavailable."""
    if is_remote():
        from taskyard.client import Client
        from taskyard.worker.cli.remote.access import RemoteAccess

        with Client(retry_seconds=RETRY_SECONDS) as client:
            yield RemoteAccess(client)
    else:
        from taskyard.worker.cli.local.access import LocalAccess

        yield LocalAccess()


@contextmanager
def opened_mail() -> Iterator[MailPort]:
    """Opens the same installation for commands on messages between agents; raises ConfigurationError or Unavailable."""
    if is_remote():
        from taskyard.client import Client
        from taskyard.worker.cli.remote.mail import RemoteMail

        with Client(retry_seconds=RETRY_SECONDS) as client:
            yield RemoteMail(client)
    else:
        from taskyard.worker.cli.local.mail import LocalMail

        with ExitStack() as opened:
            yield LocalMail(opened)


@contextmanager
def opened_webhooks() -> Iterator[WebhookPort]:
    """Opens the same installation for commands on webhooks; raises ConfigurationError or Unavailable."""
    if is_remote():
        from taskyard.client import Client
        from taskyard.worker.cli.remote.webhooks import RemoteWebhooks

        with Client(retry_seconds=RETRY_SECONDS) as client:
            yield RemoteWebhooks(client)
    else:
        from taskyard.worker.cli.local.webhooks import LocalWebhooks

        yield LocalWebhooks()


@contextmanager
def opened_hooks() -> Iterator[HookPort]:
    """Opens the same installation for commands on hooks; raises ConfigurationError or Unavailable."""
    if is_remote():
        from taskyard.client import Client
        from taskyard.worker.cli.remote.webhooks import RemoteHooks

        with Client(retry_seconds=RETRY_SECONDS) as client:
            yield RemoteHooks(client)
    else:
        from taskyard.worker.cli.local.webhooks import LocalHooks

        yield LocalHooks()
