"""Reads agents' attempts of the last minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from taskyard.core.access.identity import Actor
from taskyard.core.postgres.store import timeline as store
from taskyard.core.telemetry.timeline import RUNNING, Span, spans
from taskyard.core.views.narrowing import seen_ids
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Servers, live
from taskyard.dashboard.data.readings import seen

SHARED_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """The spans of attempts between two times (epoch seconds).

    `ended` counts all that ended from `known_since` on; of very many only the longest are among the spans.
    """

    since: float
    until: float
    known_since: float
    spans: Sequence[Span]
    ended: int

    @property
    def is_cut(self) -> bool:
        """Returns True if some ended attempts are not shown."""
        return self.known_since > self.since or self.ended > len(self.spans)


@seen(ttl_seconds=SHARED_SECONDS)
def timeline(servers: Servers, sight: Actor, seconds: int) -> Timeline:
    """Returns the attempts of the last seconds, and running ones if there is a leader."""
    snapshot = live(servers)
    until = snapshot.at if snapshot else base.now().timestamp()
    with servers.database.transaction() as tx:
        ended = store.ends(tx, until - seconds, until)
        found = spans(ended.attempts, snapshot.agents if snapshot else (), until)
        if sight.is_narrowed:  # how many others there are is not told
            ids = seen_ids(tx, sight, list({span.task_id for span in found}))
            found = [span for span in found if span.task_id in ids]
            shown = sum(span.outcome != RUNNING for span in found)
            return Timeline(until - seconds, until, ended.since, tuple(found), shown)
    return Timeline(until - seconds, until, ended.since, tuple(found), ended.total)
