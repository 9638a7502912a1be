"""Reads a report from the roll-ups, all of it as of one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import history
from taskyard.core.postgres.store.history import Filter, Point
from taskyard.core.postgres.store.rollups import DAY, LEVELS, MINUTE
from taskyard.core.reports.data.alert_lines import alert_lines
from taskyard.core.reports.data.buckets import begins, grain
from taskyard.core.reports.data.build import aligned, build, moment, unit_for
from taskyard.core.reports.data.facts import AgentRuns, Facts, Load, Peak, Presence, Side
from taskyard.core.reports.data.outages import LedUnit
from taskyard.core.reports.data.report import Dimension, FailureLine, Report, Scope
from taskyard.core.reports.data.terms import Terms
from taskyard.core.telemetry.histogram import Histogram

MAX_FAILURES = 50  # groups in a report
MAX_UNITS = 12_000  # units of a level in which the peak is searched: eight days of minutes
LONGEST_SECONDS = 3 * 366 * 86_400.0


def gather(
    tx: Transaction,
    since: float,
    until: float,
    queue: str | None = None,
    type: str | None = None,
    terms: Terms = Terms(),
) -> Report:
    """Returns the report of a range (epoch seconds), of one queue or type or of all.

    Must be the first call in its transaction, which it makes read-only. The range ends with the last whole minute in
    the past, or with the last whole one of the units that are still kept, and is as long as asked for; with steps of
    more than an hour it begins with a whole one, by the clock of the terms' zone. Raises SubmissionError for an invalid
    range.
    """
    tx.rows(queries("reports")["snapshot"], {})
    oldest, now = _held(tx)
    if not 0 <= since < until:
        raise refused("until", until, msg("a time after the range's beginning, {since}", since=since))
    if until - since > LONGEST_SECONDS:
        raise refused("since", since, msg("a time at most three years before the range's end"))
    if since >= now:
        raise refused("since", since, msg("a time in the past"))
    until = min(until, now)
    step = history.step_for(until - since)
    unit = unit_for(since - (until - since) - 2 * step, oldest)  # both periods may begin with a longer first step
    since, until = aligned(since, until, unit)
    step = max(step, unit)
    starts = begins(since, until, step, unit, terms.zone)
    since = starts[0]
    only = Filter(queue, type)
    side = _side(tx, since, until, step, only, starts)
    before = _side(tx, since - (until - since), since, DAY, only)  # as a whole: the coarser the cheaper
    parameters = _parameters(tx, since, until, DAY, only)
    failures, left_out = _failures(tx, parameters, sorted(side.types) if queue or type else None)
    alerts, alerts_left_out = alert_lines(tx, since, until, Scope(queue, type), terms.kinds)
    return build(
        Facts(
            scope=Scope(queue, type),
            made_at=now,
            step_seconds=step,
            unit_seconds=unit,
            now=side,
            before=before,
            first_led=_first_led(tx),
            agents=[AgentRuns(*row) for row in tx.rows(queries("reports")["agents"], parameters)],
            presence=_presence(tx, since, until),
            failures=_with_attempts_before(tx, failures, _parameters(tx, before.since, before.until, DAY, only)),
            failures_left_out=left_out,
            peaks=_peaks(tx, since, until, only),
            led_units=_led_units(tx, since, until, unit),
            alerts=alerts,
            alerts_left_out=alerts_left_out,
            terms=terms,
        )
    )


def _held(tx: Transaction) -> tuple[dict[int, float | None], float]:
    rows = tx.rows(queries("reports")["held"], {"levels": list(LEVELS)})
    return {level: oldest for level, oldest, _ in rows}, float(rows[0][2])


def _side(
    tx: Transaction, since: float, until: float, step: int, only: Filter, starts: Sequence[float] | None = None
) -> Side:
    whole = _parameters(tx, since, until, DAY, only)
    read_by = step if starts is None else grain(starts, step)
    steps = {**_parameters(tx, since, until, read_by, only), "step": step, "starts": starts}
    return Side(
        since=since,
        until=until,
        points=history.series(tx, since, until, read_by, only, whole_steps=False, starts=starts),
        types=_groups(tx, whole, "type"),
        loads=[Load(*row) for row in tx.rows(queries("reports")["loads"], steps)],
        led_minutes=int(tx.rows(queries("reports")["led_minutes"], whole)[0][0]),
        queues=_groups(tx, whole, "queue"),
    )


def _parameters(tx: Transaction, since: float, until: float, step: int, only: Filter) -> dict[str, Any]:
    range_ = history.range_parameters(tx, since, until, step, whole_steps=False)
    return {**range_, "queue": only.queue, "type": only.type}


def _groups(tx: Transaction, parameters: Mapping[str, Any], by: Dimension) -> dict[str, Point]:
    """Returns the totals of each type or queue."""
    found = {}
    given = {**parameters, "by": by}
    for name, *counts, cpu, wait, run, total in tx.rows(queries("reports")["groups"], given):
        histograms = [Histogram({}, seconds) for seconds in (wait, run, total)]
        found[name] = Point(0.0, *counts, cpu, {}, *histograms)  # type: ignore[call-arg]  # as many as it has
    for name, measure, buckets, counts in tx.rows(queries("reports")["group_histograms"], given):
        point = found[name]
        (point.wait, point.run, point.total)[measure - 1].merge_counts(dict(zip(buckets, counts, strict=True)))
    return found


def _led_units(tx: Transaction, since: float, until: float, unit: int) -> list[LedUnit]:
    parameters = _parameters(tx, since, until, unit, Filter())
    return [LedUnit(*row) for row in tx.rows(queries("reports")["led_units"], parameters)]


def _presence(tx: Transaction, since: float, until: float) -> dict[str, Presence]:
    rows = tx.rows(queries("reports")["presence"], {"since": since, "until": until})
    return {name: Presence(slots, slot_seconds) for name, slots, slot_seconds in rows}


def _first_led(tx: Transaction) -> float | None:
    """Returns when a leader was first seen working, as exactly as is still known.

    Minutes that a coarse unit lacks are assumed to be missing at its beginning.
    """
    found: float | None = None
    coarser = 0
    oldest = {
        level: (at, count) for level, at, count in tx.rows(queries("reports")["first_led"], {"levels": list(LEVELS)})
    }
    for level in sorted(oldest, reverse=True):
        at, count = oldest[level]
        begin = at + max(0, level - count * MINUTE)
        if found is not None and at // coarser * coarser > found // coarser * coarser:
            break
        found, coarser = begin, level
    return found


def _peaks(tx: Transaction, since: float, until: float, only: Filter) -> list[Peak]:
    parameters = {"every_level": list(LEVELS), "since": since, "until": until, "most": MAX_UNITS}
    parameters |= {"queue": only.queue, "type": only.type}
    return [Peak(*row) for row in tx.rows(queries("reports")["peaks"], parameters)]


def _failures(
    tx: Transaction, parameters: Mapping[str, Any], types: Sequence[str] | None
) -> tuple[list[FailureLine], int]:
    """Returns the error groups with most failed attempts, and how many more there are."""
    rows = tx.rows(queries("reports")["failures"], {**parameters, "types": types, "limit": MAX_FAILURES})
    lines = [
        FailureLine(fingerprint, type_, error_class, message, attempts, 0, tasks, first, last, is_muted)
        for fingerprint, type_, error_class, message, attempts, tasks, first, last, is_muted, _ in rows
    ]
    return lines, (rows[0][-1] - len(rows) if rows else 0)


def _with_attempts_before(
    tx: Transaction, lines: Sequence[FailureLine], parameters: Mapping[str, Any]
) -> list[FailureLine]:
    fingerprints = [line.fingerprint for line in lines]
    before = dict(tx.rows(queries("reports")["failures_of"], {**parameters, "fingerprints": fingerprints}))
    return [
        replace(
            line,
            attempts_before=before.get(line.fingerprint, 0),
            first_seen=moment(line.first_seen.timestamp()),
            last_seen=moment(line.last_seen.timestamp()),
        )
        for line in lines
    ]
