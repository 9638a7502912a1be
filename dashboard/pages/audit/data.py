"""Reads and exports events of the audit log."""

from __future__ import annotations

from collections.abc import Iterator

from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.filters.audit_page import EVENTS, PARAMS, SHOWS, TIMES, filter_of
from taskyard.core.postgres.store import audit
from taskyard.core.postgres.store.audit import AuditEntry, EventCursor, EventPage
from taskyard.core.submission.open_servers import Servers
from taskyard.dashboard.data.base import connections, shared

__all__ = ["EVENTS", "PARAMS", "SHOWS", "TIMES", "filter_of"]

PAGE_EVENTS = 100


@shared(ttl_seconds=2.0)
def page(servers: Servers, only: EventFilter, before: EventCursor | None) -> EventPage:
    """Returns the newest matching events, or those before the position of an earlier page."""
    with servers.database.transaction() as tx:
        return audit.find_events(tx, only, before=before, limit=PAGE_EVENTS)


def export(only: EventFilter) -> Iterator[AuditEntry]:
    """Yields every matching event, newest first, with some thousand in memory; raises Unavailable, Busy or
    ConfigurationError.

    It holds a connection until it is closed.
    """
    with connections().database.transaction() as tx:
        yield from audit.export_events(tx, only)
