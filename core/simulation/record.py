"""Makes a workload of what an installation recorded: attempts, boots of agents, holds (pure)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from taskyard.core.ids import agent_name_of
from taskyard.core.learning.keys import Keys, keys_of, size_of_bytes
from taskyard.core.learning.prediction import MAX_SECONDS
from taskyard.core.models import Lane
from taskyard.core.scheduling.agent_slots import AgentSlots
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.simulation.workload import Agent, Pause, Workload

_HELD = {HoldMode.PAUSED.value, HoldMode.DRAINING.value}
_RESUMED = "resumed"
# By what recorded run times may be too long: one attempt begins when the one before it ends, and does not overlap it.
_ROUNDING = 1e-6
_ROUNDING_SECONDS = 1e-3


class Attempt(NamedTuple):
    """An attempt that ran, or runs; times in epoch seconds. A retried task has several, each ready anew."""

    ended: float
    task_id: str
    attempt: int
    event: str
    queue: str
    type: str
    started: float
    ready: float
    run_seconds: float
    agent_id: str
    priority: int
    requires: Sequence[str]
    created_by: str
    size: str | None
    input_length: int | None


class Boot(NamedTuple):
    """A boot of an agent that is known still; times in epoch seconds, `left` is None while it is there."""

    id: str
    name: str
    types: Sequence[str]
    tags: Sequence[str]
    max_concurrency: int
    known_types: Sequence[str] | None
    registered: float
    left: float | None


class Change(NamedTuple):
    """At a time (epoch seconds) a boot joined or left, or something was held or released; `was` is its former mode."""

    at: float
    event: str
    agent_id: str | None
    kind: str | None
    name: str | None
    was: str | None


class EarlierRun(NamedTuple):
    """A run that had ended before the span began."""

    type: str
    created_by: str
    size: str | None
    input_length: int | None
    run_seconds: float


@dataclass(slots=True)
class Record:
    """What was recorded of a span of time. `held` are the kinds and names of what is held now, with the mode."""

    since: float
    until: float
    attempts: list[Attempt] = field(default_factory=list)
    boots: list[Boot] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    held: list[tuple[str, str, str]] = field(default_factory=list)
    earlier: list[EarlierRun] = field(default_factory=list)


def workload_of(record: Record) -> Workload:
    """Returns the attempts as tasks of a workload, with the agents as they came and went, and the holds.

    An attempt that ran when the span began takes its slot from its start on, and is not counted. One that waited then
    takes part from the beginning, and is counted with its whole wait. Boots that were forgotten meanwhile are what
    their attempts show, and what is known of the last boot of their name.
    """
    attempts = [one for one in record.attempts if _is_plausible(one)]
    rows = sorted((_times(one, record.since), place) for place, one in enumerate(attempts))
    agents, of_agent = _agents(record, attempts)
    lanes: dict[Lane, int] = {}
    keys: dict[Keys, int] = {}
    found = Workload([], [], [], [], [], [], [], [], agents, pauses_of(record))
    for (enters, ready), place in rows:
        one = attempts[place]
        found.enters.append(enters)
        found.ready.append(ready)
        found.run_seconds.append(one.run_seconds)
        found.lanes.append(lanes.setdefault(Lane(one.queue, one.type, tuple(one.requires)), len(lanes)))
        found.keys.append(keys.setdefault(_keys(one), len(keys)))
        found.priorities.append(one.priority)
        found.recorded_starts.append(max(one.started, ready))
        found.recorded_agents.append(of_agent[one.agent_id])
        found.counted.append(one.started >= record.since)
        found.learned.append(one.event == "completed")
    found.earlier = [(keys.setdefault(_keys(run), len(keys)), run.run_seconds) for run in record.earlier]
    found.lane_names, found.key_names = list(lanes), list(keys)
    return found


def pauses_of(record: Record) -> list[Pause]:
    """Returns what was held when, as far as holds keep tasks from starting: draining queues and types do not."""
    spans: dict[tuple[str, str], list[tuple[float, str]]] = {}  # from when on in which mode
    for change in record.changes:
        if change.kind is None or change.name is None or change.event not in (*_HELD, _RESUMED):
            continue
        held = spans.setdefault((change.kind, change.name), [])
        if not held and change.event == _RESUMED and change.was in _HELD:
            held.append((-math.inf, change.was))
        held.append((change.at, change.event))
    for kind, name, mode in record.held:
        spans.setdefault((kind, name), [(-math.inf, mode)])
    found = []
    for (kind, name), held in spans.items():
        for (since, mode), (until, _) in zip(held, [*held[1:], (math.inf, "")], strict=True):
            stops = mode == HoldMode.PAUSED or (mode == HoldMode.DRAINING and kind == HoldKind.AGENT)
            if stops and kind in tuple(HoldKind):
                found.append(Pause(HoldKind(kind).value, name, since, until))
    return found


def _is_plausible(one: Attempt) -> bool:
    times = (one.started, one.ready, one.run_seconds)
    return all(map(math.isfinite, times)) and 0 <= one.run_seconds <= MAX_SECONDS


def _times(one: Attempt, since: float) -> tuple[float, float]:
    """Returns from when an attempt takes part, and from when it waits."""
    if one.started < since:
        return one.started, one.started
    ready = min(one.ready, one.started)
    return max(ready, since), ready


def _keys(one: Attempt | EarlierRun) -> Keys:
    size = one.size if one.size is not None else size_of_bytes(one.input_length or 0)
    return keys_of(one.type, one.created_by, size)


def _agents(record: Record, attempts: Sequence[Attempt]) -> tuple[list[Agent], dict[str, int]]:
    """Returns the agents in the order of their ids, and the place of each boot.

    They are the boots that are known. Forgotten ones of one name are one agent, however often it started.
    """
    of_name = {boot.name: boot for boot in record.boots}  # the last one of each
    known = {boot.id: _known_boot(boot) for boot in record.boots}
    gone: dict[str, list[Attempt]] = {}
    for one in attempts:
        if one.agent_id not in known:
            gone.setdefault(agent_name_of(one.agent_id) or one.agent_id, []).append(one)
    joined = {change.agent_id: change.at for change in record.changes if change.event == "agent_joined"}
    left = {change.agent_id: change.at for change in record.changes if change.event in ("agent_left", "agent_lost")}
    for name, own in gone.items():
        slots = _forgotten_slots(f"{name}:", own, of_name.get(name))
        known[slots.id] = Agent(name, slots, _spans(own, joined, left))
    ids = sorted(known)
    places = {agent_id: place for place, agent_id in enumerate(ids)}
    for name, own in gone.items():
        places |= {one.agent_id: places[f"{name}:"] for one in own}
    return [known[agent_id] for agent_id in ids], places


def _spans(
    own: Sequence[Attempt], joined: Mapping[str | None, float], left: Mapping[str | None, float]
) -> list[tuple[float, float]]:
    """Returns when forgotten boots of one name were there: as recorded, else from the first attempt to the last one."""
    first, last = min(one.started for one in own), max(one.started + one.run_seconds for one in own)
    boots = {one.agent_id for one in own}
    if not boots <= joined.keys():
        return [(first, math.nextafter(last, math.inf))]
    return [(joined[boot], left.get(boot, last)) for boot in sorted(boots)]


def _known_boot(boot: Boot) -> Agent:
    slots = AgentSlots(
        boot.id,
        tuple(boot.types),
        frozenset(boot.tags),
        max(1, boot.max_concurrency),
        known_types=None if boot.known_types is None else frozenset(boot.known_types),
    )
    return Agent(boot.name, slots, ((boot.registered, math.inf if boot.left is None else boot.left),))


def _forgotten_slots(agent_id: str, own: Sequence[Attempt], last: Boot | None) -> AgentSlots:
    types: Collection[str] = {one.type for one in own}
    tags = {tag for one in own for tag in one.requires}
    most = _most_at_once(
        (one.started, one.started + one.run_seconds * (1 - _ROUNDING) - _ROUNDING_SECONDS) for one in own
    )
    if last is not None:
        types, tags, most = {*types, *last.types}, {*tags, *last.tags}, max(most, last.max_concurrency)
    return AgentSlots(agent_id, tuple(sorted(types)), frozenset(tags), most)


def _most_at_once(spans: Iterable[tuple[float, float]]) -> int:
    """Returns how many of these spans of time overlap at most, at least 1."""
    edges = sorted(edge for since, until in spans if until > since for edge in ((since, 1), (until, -1)))
    most = now = 0
    for _, by in edges:
        now += by
        most = max(most, now)
    return max(1, most)
