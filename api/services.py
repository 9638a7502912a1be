"""Holds the connections of one API process."""

from __future__ import annotations

from dataclasses import dataclass, fields

from taskyard.api.submissions import Submissions
from taskyard.core.config import Settings
from taskyard.core.i18n import msg
from taskyard.core.submission.open_servers import Servers, open_servers

POOL_SIZE = 20  # connections to PostgreSQL; requests beyond that wait


@dataclass(frozen=True, slots=True)
class Services(Servers):
    """The connections to both servers, and what stores the submissions of several requests at once."""

    submissions: Submissions


def open_services(settings: Settings) -> Services:
    """Opens both servers and loads the task types; raises ConfigurationError or Unavailable."""
    servers = open_servers(settings, msg("API"), POOL_SIZE, accepts_published=True)
    opened = {field.name: getattr(servers, field.name) for field in fields(servers)}
    return Services(**opened, submissions=Submissions(servers.submitter))
