"""Writes a report's notes: its scope, and how its figures were measured."""

from __future__ import annotations

from taskyard.core.i18n import N_
from taskyard.core.postgres.store.rollups import HOUR, MINUTE
from taskyard.core.reports.data.report import Report
from taskyard.core.reports.render.wording import Wording


def title(report: Report, words: Wording) -> str:
    if report.installation:
        return words(N_("Performance report of {installation}"), installation=words.name(report.installation))
    return words(N_("Performance report"))


def range_line(report: Report, words: Wording) -> str:
    """Returns the period in one line."""
    return words(
        N_("{since} to {until} ({zone}), {length}"),
        since=words.moment(report.now.since),
        until=words.moment(report.now.until),
        zone=words.zone_name(report.now.until),
        length=words.duration(report.now.seconds),
    )


def scope_line(report: Report, words: Wording) -> str:
    """Returns the scope in one line."""
    scope = report.scope
    if scope.queue is not None and scope.type is not None:
        return words(N_("Tasks of type {type} in queue {queue}"), type=scope.type, queue=scope.queue)
    if scope.queue is not None:
        return words(N_("Tasks in queue {queue}"), queue=scope.queue)
    if scope.type is not None:
        return words(N_("Tasks of type {type}"), type=scope.type)
    return words(N_("All tasks"))


def empty_line(words: Wording) -> str:
    return words(N_("No activity in this period: no task was submitted, run or cancelled."))


def notes(report: Report, words: Wording) -> list[tuple[str, str]]:
    """Returns (heading, text) of all notes about the figures."""
    before = words(
        N_("{since} to {until}, directly before and as long"),
        since=words.moment(report.before.since),
        until=words.moment(report.before.until),
    )
    found = [
        (words(N_("Period")), range_line(report, words)),
        (words(N_("Period before")), before),
        (words(N_("Tasks")), scope_line(report, words)),
        (words(N_("Generated")), f"{words.moment(report.made_at)} {words.zone_name(report.made_at)}"),
    ]
    if report.is_empty:
        found.append((words(N_("Nothing to report")), empty_line(words)))
    if report.unit_seconds > MINUTE:
        text = words(
            N_("For times this long ago only units of {unit} are kept, so the period was extended to whole units."),
            unit=words.duration(report.unit_seconds),
        )
        found.append((words(N_("Whole units")), text))
    step = words(
        _BY_CLOCK if report.step_seconds > HOUR else N_("Of {length}, from the beginning on; the last may be shorter."),
        length=words.duration(report.step_seconds),
        zone=words.zone_name(report.now.until),
    )
    found.append((words(N_("Steps")), step))
    found += [(words(heading), words(text)) for heading, text in _METHODS]
    if report.scope.queue is not None:
        found.append((words(N_("Error groups")), words(_BY_TYPE)))
    if report.alerts_left_out:
        text = words(N_("{count} less severe or shorter alerts are left out."), count=report.alerts_left_out)
        found.append((words(N_("Alerts")), text))
    if report.failures_left_out:
        text = words(N_("{count} less frequent groups are left out."), count=report.failures_left_out)
        found.append((words(N_("Error groups")), text))
    return found


_BY_CLOCK = N_("Of {length}, by the clock of {zone}. The period begins with a whole one; the last may be shorter.")
_BY_TYPE = N_(
    "They are not counted by queue: the groups of this queue's task types are listed, with their failures in all"
    " queues."
)
_METHODS = (
    (
        N_("Success rate"),
        N_("Completed tasks among those that completed or failed. Retries and cancelled tasks do not count."),
    ),
    (
        N_("Failed"),
        N_(
            "Each time that a task ended in failure: one that a user retries and that fails again counts twice, in"
            " the rates as well. The page Failures counts such a task once."
        ),
    ),
    (
        N_("Error budget"),
        N_(
            "The number of tasks that may miss a target in the period. More than 100% of it is used if the target was"
            " missed. Retries and cancelled tasks do not count."
        ),
    ),
    (
        N_("Top movers"),
        N_(
            "The types and queues that changed most since the period before: at least 5 failed attempts more or fewer,"
            " or a p95 that changed by at least 20%, of at least 20 tasks in each period. Those whose change affected"
            " most tasks come first."
        ),
    ),
    (
        N_("Outages"),
        N_("Times of at least 2 minutes in which no leading worker was seen at work."),
    ),
    (
        N_("Percentiles"),
        N_("From histograms with a relative error of at most 5 %. Means, counts and sums are exact."),
    ),
    (
        N_("Started within 100 ms"),
        N_("The share of starts that came at most 100 ms after the task was ready, to the 5 % of the histograms."),
    ),
    (
        N_("Availability"),
        N_(
            "The share of minutes in which a leading worker was seen at work: it leads only while PostgreSQL keeps its"
            " lock, and looks every 10 seconds. Minutes before the first such one ever do not count. To within a minute"
            " for each restart or change of the leader."
        ),
    ),
    (
        N_("Utilisation"),
        N_(
            "The mean share of agents' slots that were busy, sampled every 10 seconds by the leader while the agents"
            " were there. For a queue or a type an agent's share is divided by run time."
        ),
    ),
    (N_("Reliability"), N_("The share of an agent's attempts that succeeded.")),
    (
        N_("Capacity"),
        N_(
            "The peak is the busiest unit on record: of the minutes of the period's last 8 days, as long as minutes are"
            " kept, and of longer units before. What would be completed at"
            " full use is the mean of the minutes with a leader, divided by the utilisation: an estimate for the same"
            " mix of tasks."
        ),
    ),
)
