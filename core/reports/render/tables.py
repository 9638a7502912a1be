"""Converts a report to tables, the same for every format: names, headings and raw values."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from taskyard.core.error_words import ERROR_CLASS_WORDS
from taskyard.core.errors import ErrorClass
from taskyard.core.i18n import N_
from taskyard.core.postgres.store.rollups import MINUTE
from taskyard.core.reports.data.report import Counts, Period, Report, Step, Times, change
from taskyard.core.reports.render.attention import alerts, movers, outages, targets
from taskyard.core.reports.render.notes import notes
from taskyard.core.reports.render.summary import summary
from taskyard.core.reports.render.table import Column, Table, columns_of
from taskyard.core.reports.render.wording import ValueKind, Wording


def tables(report: Report, words: Wording) -> list[Table]:
    """Returns all tables of a report."""
    return [
        targets(report, words),
        *movers(report, words),
        alerts(report, words),
        outages(report, words),
        _totals(report, words),
        _service(report, words),
        _durations(report, words),
        _over_time(report, words),
        _queues(report, words),
        _types(report, words),
        _agents(report, words),
        _failures(report, words),
        _error_classes(report, words),
        _capacity(report, words),
        _about(report, words),
    ]


def _totals(report: Report, words: Wording) -> Table:
    now, before = report.now, report.before

    def values(period: Period) -> list[tuple[str, float]]:
        counts = period.counts
        return [
            (N_("Enqueued tasks"), counts.submitted),
            (N_("Completed tasks"), counts.completed),
            (N_("Failed tasks"), counts.failed),
            (N_("Cancelled tasks"), counts.cancelled),
            (N_("Retried attempts"), counts.retried),
            (N_("Timed-out attempts"), counts.timed_out),
            (N_("Completed tasks per minute"), period.completed_per_minute),
            (N_("CPU seconds"), counts.cpu_seconds),
        ]

    columns = columns_of(
        words,
        ("what", N_("What"), ValueKind.TEXT),
        ("now", N_("This period")),
        ("before", N_("Period before")),
        ("change", N_("Change"), ValueKind.CHANGE),
    )
    rows = tuple(
        (words(name), new, old, change(new, old))
        for (name, new), (_, old) in zip(values(now), values(before), strict=True)
    )
    return Table("totals", words(N_("Totals")), columns, rows)


def _service(report: Report, words: Wording) -> Table:
    now, before = report.now, report.before
    lines = (
        (N_("Success rate of tasks"), now.counts.success_rate, before.counts.success_rate),
        (N_("Started within 100 ms"), now.counts.in_time, before.counts.in_time),
        (N_("Availability"), now.availability, before.availability),
        (N_("Agent utilisation"), now.utilisation, before.utilisation),
    )
    columns = columns_of(
        words,
        ("what", N_("What"), ValueKind.TEXT),
        ("now", N_("This period"), ValueKind.SHARE),
        ("before", N_("Period before"), ValueKind.SHARE),
        ("change", N_("Change"), ValueKind.POINTS),
    )
    rows = tuple((words(name), new, old, None if new is None or old is None else new - old) for name, new, old in lines)
    return Table("service_level", words(N_("Service level")), columns, rows)


def _durations(report: Report, words: Wording) -> Table:
    now, before = report.now.counts, report.before.counts
    lines = (
        (N_("Queue latency, from ready to started"), now.wait, before.wait),
        (N_("Run time, from started to finished"), now.run, before.run),
        (N_("Total, from enqueued to finished"), now.total, before.total),
    )
    columns = columns_of(
        words,
        ("what", N_("What"), ValueKind.TEXT),
        ("count", N_("Measured")),
        ("mean", N_("Mean"), ValueKind.SECONDS),
        ("p50", N_("p50"), ValueKind.SECONDS),
        ("p95", N_("p95"), ValueKind.SECONDS),
        ("p99", N_("p99"), ValueKind.SECONDS),
        ("p50_before", N_("p50 before"), ValueKind.SECONDS),
        ("p95_before", N_("p95 before"), ValueKind.SECONDS),
        ("p99_before", N_("p99 before"), ValueKind.SECONDS),
    )
    rows = tuple((words(name), new.count, new.mean, *_percentiles(new), *_percentiles(old)) for name, new, old in lines)
    return Table("durations", words(N_("Durations")), columns, rows)


_COUNT_COLUMNS = (
    ("submitted", N_("Enqueued")),
    ("completed", N_("Completed")),
    ("failed", N_("Failed")),
    ("retried", N_("Retried")),
    ("timed_out", N_("Timed out")),
    ("cancelled", N_("Cancelled")),
    ("success_rate", N_("Success rate"), ValueKind.SHARE),
)
_TIME_COLUMNS = (
    ("in_time", N_("Within 100 ms"), ValueKind.SHARE),
    ("wait_p50", N_("Queue latency p50"), ValueKind.SECONDS),
    ("wait_p95", N_("Queue latency p95"), ValueKind.SECONDS),
    ("wait_p99", N_("Queue latency p99"), ValueKind.SECONDS),
    ("run_p50", N_("Run time p50"), ValueKind.SECONDS),
    ("run_p95", N_("Run time p95"), ValueKind.SECONDS),
    ("run_p99", N_("Run time p99"), ValueKind.SECONDS),
    ("total_p50", N_("Total p50"), ValueKind.SECONDS),
    ("total_p95", N_("Total p95"), ValueKind.SECONDS),
    ("total_p99", N_("Total p99"), ValueKind.SECONDS),
)


def _measured(counts: Counts) -> Iterator[Any]:
    """Yields the values of _COUNT_COLUMNS and _TIME_COLUMNS."""
    yield from (counts.submitted, counts.completed, counts.failed, counts.retried, counts.timed_out, counts.cancelled)
    yield from (counts.success_rate, counts.in_time)
    for times in (counts.wait, counts.run, counts.total):
        yield from _percentiles(times)


def _percentiles(times: Times) -> tuple[float | None, ...]:
    return times.p50, times.p95, times.p99


def _over_time(report: Report, words: Wording) -> Table:
    columns = columns_of(
        words,
        ("at", N_("From"), ValueKind.MOMENT),
        ("seconds", N_("Length"), ValueKind.SECONDS),
        ("submitted_per_minute", N_("Enqueued per minute")),
        ("completed_per_minute", N_("Throughput (tasks/min)")),
        *_COUNT_COLUMNS,
        *_TIME_COLUMNS,
        ("utilisation", N_("Utilisation"), ValueKind.SHARE),
    )
    rows = tuple(
        (
            step.at,
            step.seconds,
            step.counts.submitted / step.seconds * MINUTE,
            step.counts.completed / step.seconds * MINUTE,
            *_measured(step.counts),
            step.utilisation,
        )
        for step in (list(itertools.dropwhile(_is_before_all, report.steps)) or report.steps)
    )
    return Table("over_time", words(N_("Over time")), columns, rows)


def _queues(report: Report, words: Wording) -> Table:
    rows = tuple((line.queue, *_compared(line.counts, line.before)) for line in report.queues)
    return Table("queues", words(N_("Queues")), _compared_columns(words, "queue", N_("Queue")), rows)


def _types(report: Report, words: Wording) -> Table:
    rows = tuple((line.type, *_compared(line.counts, line.before)) for line in report.types)
    return Table("types", words(N_("Task types")), _compared_columns(words, "type", N_("Type")), rows)


def _compared_columns(words: Wording, name: str, title: str) -> tuple[Column, ...]:
    return columns_of(
        words,
        (name, title, ValueKind.TEXT),
        *_COUNT_COLUMNS,
        *_TIME_COLUMNS,
        ("completed_before", N_("Completed before")),
        ("success_rate_before", N_("Success rate before"), ValueKind.SHARE),
        ("run_p95_before", N_("Run time p95 before"), ValueKind.SECONDS),
    )


def _compared(counts: Counts, before: Counts) -> Iterator[Any]:
    """Yields the values of _compared_columns after the first."""
    yield from _measured(counts)
    yield from (before.completed, before.success_rate, before.run.p95)


def _agents(report: Report, words: Wording) -> Table:
    columns = columns_of(
        words,
        ("agent", N_("Agent"), ValueKind.TEXT),
        ("completed", N_("Completed")),
        ("failed_attempts", N_("Failed attempts")),
        ("timed_out", N_("Timed out")),
        ("success_rate", N_("Reliability"), ValueKind.SHARE),
        ("mean_run", N_("Mean run time"), ValueKind.SECONDS),
        ("run_seconds", N_("Run time"), ValueKind.SECONDS),
        ("slots", N_("Slots")),
        ("utilisation", N_("Utilisation"), ValueKind.SHARE),
    )
    rows = tuple(tuple(getattr(line, column.name) for column in columns) for line in report.agents)
    return Table("agents", words(N_("Agents")), columns, rows)


def _failures(report: Report, words: Wording) -> Table:
    columns = columns_of(
        words,
        ("type", N_("Type"), ValueKind.TEXT),
        ("error_class", N_("Error class"), ValueKind.TEXT),
        ("message", N_("Latest message"), ValueKind.TEXT),
        ("attempts", N_("Failed attempts")),
        ("attempts_before", N_("Attempts before")),
        ("tasks", N_("Failed tasks")),
        ("first_seen", N_("First seen"), ValueKind.MOMENT),
        ("last_seen", N_("Last seen"), ValueKind.MOMENT),
        ("muted", N_("Muted"), ValueKind.TEXT),
        ("fingerprint", N_("Fingerprint"), ValueKind.TEXT),
    )
    rows = tuple(
        (
            *(getattr(line, column.name) for column in columns[:8]),
            words(N_("yes")) if line.is_muted else "",
            line.fingerprint,
        )
        for line in report.failures
    )
    return Table("failures", words(N_("Failures")), columns, rows)


def _error_classes(report: Report, words: Wording) -> Table:
    columns = columns_of(
        words,
        ("error_class", N_("Error class"), ValueKind.TEXT),
        ("attempts", N_("Failed attempts")),
        ("attempts_before", N_("Attempts before")),
        ("change", N_("Change"), ValueKind.CHANGE),
    )
    rows = tuple(
        (_class_word(name, words), now, before, change(now, before)) for name, now, before in report.error_classes
    )
    return Table("error_classes", words(N_("Error classes")), columns, rows)


def _capacity(report: Report, words: Wording) -> Table:
    found = report.capacity
    columns = columns_of(
        words,
        ("peak_per_minute", N_("Peak, completed per minute")),
        ("peak_at", N_("Peak at"), ValueKind.MOMENT),
        ("peak_unit_seconds", N_("Measured over"), ValueKind.SECONDS),
        ("mean_per_minute", N_("Mean, completed per minute")),
        ("headroom", N_("Free slot capacity"), ValueKind.SHARE),
        ("full_per_minute", N_("Throughput at full load (tasks/min), estimated")),
    )
    return Table(
        "capacity", words(N_("Capacity")), columns, (tuple(getattr(found, column.name) for column in columns),)
    )


def _about(report: Report, words: Wording) -> Table:
    columns = columns_of(words, ("what", N_("What"), ValueKind.TEXT), ("value", N_("Value"), ValueKind.TEXT))
    title = words(N_("Summary"))
    rows: Sequence[tuple[str, str]] = [
        *((title, sentence) for sentence in summary(report, words)),
        *notes(report, words),
    ]
    return Table("about", words(N_("About this report")), columns, tuple(rows))


def _class_word(name: str, words: Wording) -> str:
    """Returns an error class as pages show it; another name unchanged."""
    return words(ERROR_CLASS_WORDS[ErrorClass(name)]) if name in set(ErrorClass) else name


def _is_before_all(step: Step) -> bool:
    """Returns True for a step in which nothing happened: those before the first task say nothing."""
    counts = step.counts
    return not (counts.submitted or counts.completed or counts.failed or counts.retried or counts.cancelled)
