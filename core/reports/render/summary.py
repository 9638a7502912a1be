"""Sums up a report in two sentences: what became of failures, and of throughput and queue latency, and by what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from taskyard.core.error_words import ERROR_CLASS_WORDS
from taskyard.core.errors import ErrorClass
from taskyard.core.i18n import N_
from taskyard.core.reports.data.report import Counts, Report, change
from taskyard.core.reports.render.wording import ValueKind, Wording

ABOUT_EQUAL = 0.1  # a smaller change, as a share, is none
TWICE = (1.9, 2.1)
HALF = (0.48, 0.52)


@dataclass(frozen=True, slots=True)
class Contributor:
    """The type that contributed most to a change of failures, and by how many.

    It has no share: where some types rose and others fell, one may change by more than all together.
    """

    type: str
    difference: int


def summary(report: Report, words: Wording) -> tuple[str, ...]:
    """Returns the sentences; none for a period in which nothing happened."""
    return () if report.is_empty else (_failures(report, words), _work(report, words))


def contributor(report: Report) -> Contributor | None:
    """Returns the largest contributor to the change of failed tasks; None if no type moved in its direction."""
    difference = report.now.counts.failed - report.before.counts.failed
    sign = 1 if difference > 0 else -1
    moved = {
        line.type: moves for line in report.types if (moves := sign * (line.counts.failed - line.before.failed)) > 0
    }
    if not difference or not moved:
        return None
    name = min(moved, key=lambda name: (-moved[name], name))
    return Contributor(name, sign * moved[name])


def _failures(report: Report, words: Wording) -> str:
    now, before = report.now.counts.failed, report.before.counts.failed
    counts = {"now": words.shown(now, ValueKind.NUMBER), "before": words.shown(before, ValueKind.NUMBER)}
    if report.before.counts.is_empty:
        return words(N_("{now} tasks failed; there was no activity in the period before."), **counts)
    if not now and not before:
        return words(N_("No task failed, as in the period before."))
    if now == before:
        return words(N_("Failures stayed the same: {now} failed tasks."), **counts)
    what = words(_failure_text(now, before), **counts, change=_growth(now, before, words))
    found = contributor(report)
    if found is None:
        return words(N_("{what}."), what=what)
    difference = f"{found.difference:+,}"
    error = _error_of(report, found)
    if error:
        return words(
            N_("{what}; the largest contributor is {type} ({difference}; mostly {error})."),
            what=what,
            type=words.name(found.type),
            difference=difference,
            error=words(error),
        )
    return words(
        N_("{what}; the largest contributor is {type} ({difference})."),
        what=what,
        type=words.name(found.type),
        difference=difference,
    )


def _failure_text(now: int, before: int) -> str:
    if not before:
        return N_("{now} tasks failed, and none in the period before")
    ratio = now / before
    if not now:
        return N_("No task failed, after {before} in the period before")
    if TWICE[0] <= ratio <= TWICE[1]:
        return N_("Failures doubled from {before} to {now}")
    if HALF[0] <= ratio <= HALF[1]:
        return N_("Failures halved from {before} to {now}")
    if abs(ratio - 1) < ABOUT_EQUAL:
        return N_("Failures barely changed, from {before} to {now}")
    if ratio > 1:
        return N_("Failures rose from {before} to {now} ({change})")
    return N_("Failures fell from {before} to {now} ({change})")


def _error_of(report: Report, found: Contributor) -> str:
    """Returns the class of the error group of a type that changed most in the direction of its failures."""
    sign = 1 if found.difference > 0 else -1
    groups = [line for line in report.failures if line.type == found.type]
    best = max(groups, key=lambda line: sign * (line.attempts - line.attempts_before), default=None)
    if best is None or sign * (best.attempts - best.attempts_before) <= 0:
        return ""
    known = best.error_class in set(ErrorClass)
    return ERROR_CLASS_WORDS[ErrorClass(best.error_class)] if known else best.error_class


def _work(report: Report, words: Wording) -> str:
    now, before = report.now.counts, report.before.counts
    completed = words.shown(now.completed, ValueKind.NUMBER)
    if before.completed:
        values = {"completed": completed, "change": _growth(now.completed, before.completed, words)}
        done = words(N_("{completed} tasks completed ({change})"), **values)
    else:
        done = words(N_("{completed} tasks completed, and none in the period before"), completed=completed)
    if now.wait.p95 is None:
        return words(N_("{done}; none started."), done=done)
    latency = {"done": done, "now": words.duration(now.wait.p95)}
    if before.wait.p95 is None:
        return words(N_("{done}; 95% of starts came within {now}."), **latency)
    latency["before"] = words.duration(before.wait.p95)
    queue = _slowest_queue(report)
    if queue is None:
        return words(N_("{done}; 95% of starts came within {now}, after {before} in the period before."), **latency)
    text = N_(
        "{done}; 95% of starts came within {now}, after {before} in the period before, mainly because of queue {queue}."
    )
    return words(text, **latency, queue=words.name(queue))


def _slowest_queue(report: Report) -> str | None:
    """Returns the queue that contributed most to a changed queue latency; None if it hardly changed."""
    now, before = report.now.counts.wait, report.before.counts.wait
    difference = change(now.p95, before.p95)
    if difference is None or abs(difference) < ABOUT_EQUAL or now.mean is None or before.mean is None:
        return None
    sign = 1 if difference > 0 else -1
    moved = _waited((line.queue, line.counts, line.before) for line in report.queues)
    best = max(moved, key=lambda name: sign * moved[name], default=None)
    return best if best is not None and sign * moved[best] > 0 and len(moved) > 1 else None


def _waited(lines: Iterable[tuple[str, Counts, Counts]]) -> Mapping[str, float]:
    """Returns by name the growth of the mean queue latency times the number of starts."""
    return {
        name: (now.wait.mean - before.wait.mean) * now.wait.count
        for name, now, before in lines
        if now.wait.mean is not None and before.wait.mean is not None
    }


def _growth(now: float, before: float, words: Wording) -> str:
    return words.shown(change(now, before), ValueKind.CHANGE)
