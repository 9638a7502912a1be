"""Opens an installation, or its tasks, for one command: by this host's servers, or over HTTP.

Over HTTP no command loads a driver of a server or reads the settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from taskyard.worker.cli.ports.access import AccessPort
from taskyard.worker.cli.ports.bulk import BulkPort
from taskyard.worker.cli.ports.mail import MailPort
from taskyard.worker.cli.ports.place import is_remote
from taskyard.worker.cli.ports.questions import QuestionPort
from taskyard.worker.cli.ports.schedules import SchedulePort
from taskyard.worker.cli.ports.site import SitePort
from taskyard.worker.cli.ports.tasks import TaskPort
from taskyard.worker.cli.ports.webhooks import HookPort, WebhookPort
from taskyard.worker.cli.ports.workflows import WorkflowPort

if TYPE_CHECKING:
    from taskyard.client import Client

RETRY_SECONDS = 5.0  # somebody looks at a screen


@contextmanager
def opened_tasks() -> Iterator[TaskPort]:
    """Opens the installation that this process's environment names; connects when something is asked.

    Raises ConfigurationError or Unavailable.
    """
    with ExitStack() as opened:
        if is_remote():
            from taskyard.worker.cli.remote.tasks import RemoteTasks

            yield RemoteTasks(_client(opened))
        else:
            from taskyard.worker.cli.local.tasks import LocalTasks

            yield LocalTasks(opened)


@contextmanager
def opened_site() -> Iterator[SitePort]:
    """Opens the same installation for commands on the whole of it; raises ConfigurationError or Unavailable."""
    with ExitStack() as opened:
        if is_remote():
            from taskyard.worker.cli.remote.site import RemoteSite

            yield RemoteSite(_client(opened))
        else:
            from taskyard.worker.cli.local.site import LocalSite

            yield LocalSite(opened)


@contextmanager
def opened_bulk() -> Iterator[BulkPort]:
    """Opens the same installation for commands on many tasks; raises ConfigurationError or Unavailable."""
    with ExitStack() as opened:
        if is_remote():
            from taskyard.worker.cli.remote.bulk import RemoteBulk

            yield RemoteBulk(_client(opened))
        else:
            from taskyard.worker.cli.local.bulk import LocalBulk

            yield LocalBulk(opened)


@contextmanager
def opened_access() -> Iterator[AccessPort]:
    """Opens the same installation for commands on access; raises ConfigurationError or Unavailable."""
    with ExitStack() as opened:
        if is_remote():
            from taskyard.worker.cli.remote.access import RemoteAccess

            yield RemoteAccess(_client(opened))
        else:
            from taskyard.worker.cli.local.access import LocalAccess

            yield LocalAccess()


@contextmanager
def opened_mail() -> Iterator[MailPort]:
    """Opens the same installation for commands on messages between agents; raises ConfigurationError or Unavailable."""
    with ExitStack() as opened:
        if is_remote():
            from taskyard.worker.cli.remote.mail import RemoteMail

            yield RemoteMail(_client(opened))
        else:
            from taskyard.worker.cli.local.mail import LocalMail

            yield LocalMail(opened)


@contextmanager
def opened_webhooks() -> Iterator[WebhookPort]:
    """Opens the same installation for commands on webhooks; raises ConfigurationError or Unavailable."""
    with ExitStack() as opened:
        if is_remote():
            from taskyard.worker.cli.remote.webhooks import RemoteWebhooks

            yield RemoteWebhooks(_client(opened))
        else:
            from taskyard.worker.cli.local.webhooks import LocalWebhooks

            yield LocalWebhooks()


@contextmanager
def opened_questions() -> Iterator[QuestionPort]:
    """Opens the same installation for commands on questions; raises ConfigurationError or Unavailable."""
    with ExitStack() as opened:
        if is_remote():
            from taskyard.worker.cli.remote.questions import RemoteQuestions

            yield RemoteQuestions(_client(opened))
        else:
            from taskyard.worker.cli.local.questions import LocalQuestions

            yield LocalQuestions()


@contextmanager
def opened_hooks() -> Iterator[HookPort]:
    """Opens the same installation for commands on hooks; raises ConfigurationError or Unavailable."""
    with ExitStack() as opened:
        if is_remote():
            from taskyard.worker.cli.remote.webhooks import RemoteHooks

            yield RemoteHooks(_client(opened))
        else:
            from taskyard.worker.cli.local.webhooks import LocalHooks

            yield LocalHooks()


@contextmanager
def opened_workflows() -> Iterator[WorkflowPort]:
    """Opens the same installation for commands on workflows; raises ConfigurationError or Unavailable."""
    with ExitStack() as opened:
        if is_remote():
            from taskyard.worker.cli.remote.workflows import RemoteWorkflows

            yield RemoteWorkflows(_client(opened))
        else:
            from taskyard.worker.cli.local.workflows import LocalWorkflows

            yield LocalWorkflows()


@contextmanager
def opened_schedules() -> Iterator[SchedulePort]:
    """Opens the same installation for commands on schedules; raises ConfigurationError or Unavailable."""
    with ExitStack() as opened:
        if is_remote():
            from taskyard.worker.cli.remote.schedules import RemoteSchedules

            yield RemoteSchedules(_client(opened))
        else:
            from taskyard.worker.cli.local.schedules import LocalSchedules

            yield LocalSchedules()


def _client(opened: ExitStack) -> Client:
    from taskyard.client import Client

    return opened.enter_context(Client(retry_seconds=RETRY_SECONDS))
