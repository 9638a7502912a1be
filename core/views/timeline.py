"""Reads agents' attempts of the last minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from taskyard.core.access.identity import Actor
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import timeline as store
from taskyard.core.telemetry.live_snapshot import LiveSnapshot
from taskyard.core.telemetry.timeline import RUNNING, Span, spans
from taskyard.core.views.narrowing import seen_ids


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


def timeline_of(tx: Transaction, actor: Actor, snapshot: LiveSnapshot | None, until: float, seconds: float) -> Timeline:
    """Returns an actor's attempts of the last seconds before `until` (epoch seconds), and running ones if there is a
    leader.

    With a leader it is the time of its snapshot that counts as the end.
    """
    until = snapshot.at if snapshot else until
    ended = store.ends(tx, until - seconds, until)
    found = spans(ended.attempts, snapshot.agents if snapshot else (), until)
    if actor.is_narrowed:  # how many others there are is not told
        ids = seen_ids(tx, actor, list({span.task_id for span in found}))
        found = [span for span in found if span.task_id in ids]
        shown = sum(span.outcome != RUNNING for span in found)
        return Timeline(until - seconds, until, ended.since, tuple(found), shown)
    return Timeline(until - seconds, until, ended.since, tuple(found), ended.total)
