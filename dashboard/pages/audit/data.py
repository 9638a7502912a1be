"""Reads and exports events of the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.filters.audit_page import EVENTS, PARAMS, SHOWS, TIMES, filter_of
from taskyard.core.postgres.store import audit
from taskyard.core.postgres.store.audit import AuditEntry, EventCursor, EventPage
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views.masking import masked_entry
from taskyard.dashboard.data.base import connections
from taskyard.dashboard.data.readings import check, seen

__all__ = ["EVENTS", "PARAMS", "SHOWS", "TIMES", "filter_of"]

PAGE_EVENTS = 100


@seen(ttl_seconds=2.0, needs=Permission.AUDIT_EXPORT, is_whole=True)
def page(servers: Servers, sight: Actor, only: EventFilter, before: EventCursor | None) -> EventPage:
    """Returns the newest matching events, or those before the position of an earlier page."""
    with servers.database.transaction() as tx:
        found = audit.find_events(tx, only, before=before, limit=PAGE_EVENTS)
    return replace(found, events=tuple(masked_entry(entry, sight) for entry in found.events))


def check_filter(only: EventFilter, who: Actor) -> None:
    """Raises NotPermitted for a search of the details' text by those who may not read errors' messages."""
    if only.text:
        who.require(Permission.PAYLOAD_READ)


def export(only: EventFilter, who: Actor) -> Iterator[AuditEntry]:
    """Yields every matching event, newest first, with some thousand in memory, as `who` may see it.

    Raises NotPermitted, Unavailable, Busy or ConfigurationError. It holds a connection until it is closed.
    """
    check(who, Permission.AUDIT_EXPORT, is_whole=True)
    check_filter(only, who)
    with connections().database.transaction() as tx:
        for entry in audit.export_events(tx, only):
            yield masked_entry(entry, who)
