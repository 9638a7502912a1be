"""Reads agents' attempts over a range: each of them, or what ended in each step where they are too many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from taskyard.core.access.identity import Actor
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import timeline as store
from taskyard.core.telemetry.live_snapshot import LiveSnapshot
from taskyard.core.telemetry.timeline import RUNNING, Span, Step, shared_names, spans
from taskyard.core.views.narrowing import known_names, seen_ids
from taskyard.core.views.seeing import sees_all_queues, sees_all_types

MAX_SINGLE_SECONDS = 3_600.0  # of the audit log, where attempts are found one by one
MAX_AGENTS = store.MAX_AGENTS - 1


@dataclass(frozen=True, slots=True)
class Timeline:
    """The spans of attempts between two times (epoch seconds).

    `ended` counts all that ended from `known_since` on; of very many only the longest are among the spans. If that is
    later than the beginning, `steps`, each of `step_seconds`, cover the whole range; otherwise there are none.
    `is_cut` if some ended attempts are not among the spans; `shared` has the hosts of names that agents on several
    hosts use.
    """

    since: float
    until: float
    known_since: float
    spans: Sequence[Span]
    ended: int
    is_cut: bool
    step_seconds: int = 0
    steps: Sequence[Step] = ()
    shared: Mapping[str, Sequence[str]] = field(default_factory=dict)


def timeline_of(
    tx: Transaction,
    actor: Actor,
    snapshot: LiveSnapshot | None,
    until: float,
    seconds: float,
    agent: str | None = None,
) -> Timeline:
    """Returns an actor's attempts of the last seconds before `until` (epoch seconds), and running ones if there is a
    leader; of one agent, or of all: steps of the first MAX_AGENTS by name, and one more.

    With a leader it is the time of its snapshot that counts as the end.
    """
    until = snapshot.at if snapshot else until
    since = until - seconds
    agents = snapshot.agents if snapshot else ()
    ended = store.ends(tx, max(since, until - MAX_SINGLE_SECONDS), until)
    found = spans(ended.attempts, agents, until)
    total = ended.total
    if actor.is_narrowed:  # how many others there are is not told
        ids = seen_ids(tx, actor, list({span.task_id for span in found}))
        found = [span for span in found if span.task_id in ids]
        total = sum(span.outcome != RUNNING for span in found)
    if agent is not None:
        found = [span for span in found if span.agent == agent]
    is_cut = ended.since > since
    step, steps = _steps(tx, actor, since, until, agent) if is_cut else (0, [])
    return Timeline(
        since,
        until,
        ended.since,
        tuple(found),
        total,
        is_cut or ended.total > len(ended.attempts),
        step,
        tuple(steps),
        shared_names(agents),
    )


def _steps(tx: Transaction, actor: Actor, since: float, until: float, agent: str | None) -> tuple[int, Sequence[Step]]:
    queues = types = None
    if actor.is_narrowed:
        known_queues, known_types = known_names(tx, actor)
        queues = None if sees_all_queues(actor) else known_queues
        types = None if sees_all_types(actor) else known_types
    return store.steps(tx, since, until, agent=agent, queues=queues, types=types)
