"""Computes a report's figures from what was read (pure)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from taskyard.core.postgres.store import history
from taskyard.core.postgres.store.history import Point
from taskyard.core.postgres.store.rollups import LEVELS, MINUTE
from taskyard.core.reports.data.buckets import begins
from taskyard.core.reports.data.facts import AgentRuns, Facts, Load, Presence, Side
from taskyard.core.reports.data.movers import movers
from taskyard.core.reports.data.outages import Outage, outages
from taskyard.core.reports.data.report import (
    TARGET_SECONDS,
    AgentLine,
    Capacity,
    Counts,
    Period,
    QueueLine,
    Report,
    Step,
    Times,
    TypeLine,
)
from taskyard.core.reports.data.targets import target_lines

SETTLING_SECONDS = 60.0  # until the samples of a minute are certainly stored
NOTHING = Point(0.0)


def build(facts: Facts) -> Report:
    """Returns the report."""
    now, before = _period(facts, facts.now), _period(facts, facts.before)
    types = _types(facts.now.types, facts.before.types)
    queues = _queues(facts.now.queues, facts.before.queues)
    totals = history.total(facts.now.points), history.total(facts.before.points)
    return Report(
        installation=facts.terms.installation,
        scope=facts.scope,
        made_at=moment(facts.made_at),
        now=now,
        before=before,
        step_seconds=facts.step_seconds,
        unit_seconds=facts.unit_seconds,
        steps=_steps(facts),
        targets=target_lines(facts.terms.targets, *totals),
        movers=movers(types, queues),
        alerts=tuple(facts.alerts),
        alerts_left_out=facts.alerts_left_out,
        outages=_outages(facts),
        queues=queues,
        types=types,
        agents=_agents(facts),
        failures=tuple(facts.failures),
        failures_left_out=facts.failures_left_out,
        error_classes=_error_classes(facts.now.points, facts.before.points),
        capacity=_capacity(facts, now),
    )


def unit_for(start: float, oldest: Mapping[int, float | None]) -> int:
    """Returns the finest level whose units are still kept since `start` (epoch seconds).

    `oldest` has the oldest unit of each level. Data that even coarser levels lack never existed.
    """
    for level in LEVELS:
        first = oldest.get(level)
        older = [(coarse, at) for coarse, at in oldest.items() if coarse > level and at is not None]
        if first is None and older:
            continue
        if first is None or first <= start or all(first // coarse * coarse <= at for coarse, at in older):
            return level
    return LEVELS[-1]


def aligned(since: float, until: float, unit_seconds: int) -> tuple[float, float]:
    """Returns the range in whole units, at least one."""
    first = float(math.floor(since / unit_seconds) * unit_seconds)
    return first, max(first + unit_seconds, float(math.floor(until / unit_seconds) * unit_seconds))


def moment(epoch_seconds: float) -> datetime:
    return datetime.fromtimestamp(epoch_seconds, UTC)


def counts_of(point: Point) -> Counts:
    """Returns a point's figures and those derived from them."""
    return Counts(
        submitted=point.submitted,
        completed=point.completed,
        failed=point.failed,
        retried=point.retried,
        timed_out=point.timed_out,
        cancelled=point.cancelled,
        cpu_seconds=point.cpu_seconds,
        success_rate=_share(point.completed, point.completed + point.failed),
        in_time=point.wait.share_within(TARGET_SECONDS),
        wait=Times.of(point.wait),
        run=Times.of(point.run),
        total=Times.of(point.total),
    )


def _period(facts: Facts, side: Side) -> Period:
    counts = counts_of(history.total(side.points))
    minutes = (side.until - side.since) / MINUTE
    return Period(
        since=moment(side.since),
        until=moment(side.until),
        counts=counts,
        completed_per_minute=counts.completed / minutes,
        availability=_availability(side, facts.first_led, facts.made_at),
        utilisation=_utilisation(side.loads, facts.presence),
    )


def _availability(side: Side, first_led: float | None, made_at: float) -> float | None:
    if first_led is None:
        return None
    since, until = _watched(side, first_led, made_at)
    minutes = (until - since) // MINUTE
    return min(1.0, side.led_minutes / minutes) if minutes > 0 else None


def _watched(side: Side, first_led: float, made_at: float) -> tuple[float, float]:
    """Returns the time of a period in which a leader could be seen, as far as its samples are stored."""
    settled = math.floor((made_at - SETTLING_SECONDS) / MINUTE) * MINUTE
    return max(side.since, first_led), min(side.until, settled)


def _outages(facts: Facts) -> tuple[Outage, ...]:
    if facts.first_led is None:
        return ()
    return outages(facts.led_units, *_watched(facts.now, facts.first_led, facts.made_at))


def _steps(facts: Facts) -> tuple[Step, ...]:
    since, until = facts.now.since, facts.now.until
    points = {point.at: point for point in facts.now.points}
    loads = {at: list(group) for at, group in itertools.groupby(facts.now.loads, lambda load: load.at)}
    starts = begins(since, until, facts.step_seconds, facts.unit_seconds, facts.terms.zone)
    steps = []
    for at, following in itertools.pairwise([*starts, math.inf]):
        begin, end = max(at, since), min(following, until)
        counts = counts_of(points.get(at, NOTHING))
        steps.append(Step(moment(begin), end - begin, counts, _utilisation(loads.get(at, []), facts.presence)))
    return tuple(steps)


def _utilisation(loads: Iterable[Load], presence: Mapping[str, Presence]) -> float | None:
    """Returns busy slots by slots, over all samples. The number of slots follows from the samples, if there are any."""
    busy = slots = 0.0
    for load in loads:
        busy += load.running
        if load.share > 0:
            slots += load.count * load.running / load.share
        elif load.agent in presence:
            slots += load.count * presence[load.agent].slots
    return busy / slots if slots else None


def _types(now: Mapping[str, Point], before: Mapping[str, Point]) -> tuple[TypeLine, ...]:
    lines = [
        TypeLine(name, counts_of(now.get(name, NOTHING)), counts_of(before.get(name, NOTHING)))
        for name in {*now, *before}
    ]
    return tuple(sorted(lines, key=lambda line: (-line.counts.completed - line.counts.failed, line.type)))


def _queues(now: Mapping[str, Point], before: Mapping[str, Point]) -> tuple[QueueLine, ...]:
    lines = [
        QueueLine(name, counts_of(now.get(name, NOTHING)), counts_of(before.get(name, NOTHING)))
        for name in {*now, *before}
    ]
    return tuple(sorted(lines, key=lambda line: (-line.counts.completed - line.counts.failed, line.queue)))


def _agents(facts: Facts) -> tuple[AgentLine, ...]:
    loads: dict[str, list[Load]] = {}
    for load in facts.now.loads:
        loads.setdefault(load.agent, []).append(load)
    lines = []
    for runs in facts.agents:
        presence = facts.presence.get(runs.agent)
        lines.append(
            AgentLine(
                agent=runs.agent,
                completed=runs.completed,
                failed_attempts=runs.failed_attempts,
                timed_out=runs.timed_out,
                run_seconds=runs.run_seconds,
                mean_run=runs.run_seconds / runs.runs if runs.runs else None,
                success_rate=_share(runs.completed, runs.completed + runs.failed_attempts),
                slots=presence.slots if presence else None,
                utilisation=_agent_utilisation(runs, loads.get(runs.agent, []), presence),
            )
        )
    return tuple(sorted(lines, key=lambda line: (-line.completed - line.failed_attempts, line.agent)))


def _agent_utilisation(runs: AgentRuns, loads: Sequence[Load], presence: Presence | None) -> float | None:
    """Returns the sampled load within the scope; without samples, run time by the known slots' time.

    Run times count where their attempts end, so they may exceed the length of a short range.
    """
    sampled = sum(load.count for load in loads)
    if sampled:
        load = sum(load.share for load in loads) / sampled
        return load * runs.run_seconds / runs.all_run_seconds if runs.all_run_seconds else load
    if presence is None or not presence.slot_seconds:
        return None
    return min(1.0, runs.run_seconds / presence.slot_seconds)


def _error_classes(now: Sequence[Point], before: Sequence[Point]) -> tuple[tuple[str, int, int], ...]:
    ours, theirs = history.total(now).failures, history.total(before).failures
    found = [(name, ours.get(name, 0), theirs.get(name, 0)) for name in {*ours, *theirs}]
    return tuple(sorted(found, key=lambda line: (-line[1], line[0])))


def _capacity(facts: Facts, now: Period) -> Capacity:
    peak = max(facts.peaks, key=lambda peak: (peak.completed / peak.level_seconds, -peak.level_seconds), default=None)
    used, led_minutes = now.utilisation, facts.now.led_minutes
    can_tell = bool(used) and led_minutes > 0 and facts.scope.is_all
    return Capacity(
        peak_per_minute=peak.completed / peak.level_seconds * MINUTE if peak else None,
        peak_at=moment(peak.at) if peak else None,
        peak_unit_seconds=peak.level_seconds if peak else MINUTE,
        mean_per_minute=now.completed_per_minute,
        headroom=None if used is None else 1 - used,
        full_per_minute=now.counts.completed / led_minutes / used if can_tell and used else None,
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
