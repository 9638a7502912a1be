"""Defines which tasks a viewer sees: by their queues and types (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.alerts.kind import Subject
from taskyard.core.alerts.kinds import KINDS
from taskyard.core.models import AgentRecord
from taskyard.core.postgres.store.alerts import Silence
from taskyard.core.postgres.store.saved_filters import SavedFilter
from taskyard.core.scheduling.holds import Hold, HoldKind

_WILD = re.compile(r"[*?\[]")  # what makes a name a pattern
Sees = Callable[[str, str], bool]  # of a queue and a type, as Actor.sees


def everything(queue: str, type_: str) -> bool:
    """Returns True: all tasks are seen."""
    return True


def sees_queue(actor: Actor, queue: str) -> bool:
    """Returns True if some tasks of a queue are the actor's."""
    return replace(actor, types=(EVERY,)).sees(queue, EVERY)


def sees_type(actor: Actor, type_: str) -> bool:
    """Returns True if some tasks of a type are the actor's."""
    return replace(actor, queues=(EVERY,)).sees(EVERY, type_)


def sees_all_queues(actor: Actor) -> bool:
    """Returns True if an actor's queues are all of them."""
    return EVERY in actor.queues


def sees_all_types(actor: Actor) -> bool:
    """Returns True if an actor's types are all of them."""
    return EVERY in actor.types


def names_among(patterns: Iterable[str]) -> list[str]:
    """Returns the patterns that are names: those without wildcards."""
    return [pattern for pattern in patterns if not _WILD.search(pattern)]


def sees_hold(actor: Actor, hold: Hold) -> bool:
    """Returns True unless a hold is of a queue or a type that is not the actor's."""
    if hold.kind is HoldKind.AGENT:
        return True
    return sees_queue(actor, hold.name) if hold.kind is HoldKind.QUEUE else sees_type(actor, hold.name)


def sees_alert(actor: Actor, kind: str | None, subject: str) -> bool:
    """Returns True unless an alert of a kind is about a queue or a type that is not the actor's.

    A narrowed actor sees none of a kind that is not known here: it may be about anything.
    """
    known = KINDS.get(kind or "")
    if known is None:
        return not actor.is_narrowed
    if known.subject is Subject.QUEUE:
        return sees_queue(actor, subject)
    return sees_type(actor, subject) if known.subject is Subject.TYPE else True


def sees_silence(actor: Actor, silence: Silence, rules: Iterable[tuple[str, str]]) -> bool:
    """Returns True unless a silence names what is not the actor's; `rules` are names and kinds."""
    if not actor.is_narrowed or silence.subject == EVERY:
        return True
    kinds = {kind for name, kind in rules if fnmatchcase(name, silence.rule)}
    return bool(kinds) and all(sees_alert(actor, kind, silence.subject) for kind in kinds)


def sees_filter(actor: Actor, saved: SavedFilter) -> bool:
    """Returns True unless a saved filter names queues or types that are not the actor's."""
    if not actor.is_narrowed:
        return True
    only = saved.filter
    return only is not None and all(
        [
            *(sees_queue(actor, name) for name in only.queues or ()),
            *(sees_type(actor, name) for name in only.types or ()),
        ]
    )


def seen_patterns(actor: Actor, patterns: Iterable[str]) -> tuple[str, ...]:
    """Returns those of an agent's patterns of types that may be for types of the actor."""
    return tuple(
        pattern
        for pattern in patterns
        if sees_all_types(actor) or any(fnmatchcase(pattern, own) or fnmatchcase(own, pattern) for own in actor.types)
    )


def seen_records(actor: Actor, records: Iterable[AgentRecord]) -> Sequence[AgentRecord]:
    """Returns agents with those of their types that an actor sees."""
    return [
        replace(
            record,
            types=seen_patterns(actor, record.types),
            known_types=None
            if record.known_types is None
            else {name: version for name, version in record.known_types.items() if sees_type(actor, name)},
        )
        for record in records
    ]
