"""Reads agents' attempts of the last minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import timeline as store
from taskyard.core.telemetry.live_snapshot import LiveSnapshot
from taskyard.core.telemetry.timeline import Span, spans


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


def timeline_of(tx: Transaction, snapshot: LiveSnapshot | None, until: float, seconds: float) -> Timeline:
    """Returns the attempts of the last seconds before `until` (epoch seconds), and running ones if there is a leader.

    With a leader it is the time of its snapshot that counts as the end.
    """
    until = snapshot.at if snapshot else until
    ended = store.ends(tx, until - seconds, until)
    found = spans(ended.attempts, snapshot.agents if snapshot else (), until)
    return Timeline(until - seconds, until, ended.since, tuple(found), ended.total)
