"""Puts alerts in order and groups them by their rules, so that many of one kind hide no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from taskyard.core.access.identity import Actor
from taskyard.core.alerts.rule_titles import rule_name
from taskyard.core.config import Settings
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Transaction
from taskyard.core.views.alerts import SEVERITIES, ShownAlert, alerts_now, kinds_of, seen_alerts


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """The alerts of one rule: at least one, the worst and oldest first."""

    rule: str
    alerts: Sequence[ShownAlert]

    @property
    def first(self) -> ShownAlert:
        """Returns the worst alert, the oldest of them."""
        return self.alerts[0]

    @property
    def severity(self) -> str:
        """Returns the worst severity."""
        return self.first.alert.severity

    @property
    def kind(self) -> str | None:
        """Returns the rule's kind; None if the rule is not known."""
        return self.first.kind

    @property
    def since(self) -> datetime:
        """Returns the time since which the oldest fires."""
        return min(shown.alert.fired_at for shown in self.alerts)

    @property
    def firing(self) -> Sequence[ShownAlert]:
        """Returns those that nobody acknowledged."""
        return [shown for shown in self.alerts if shown.alert.state == "firing"]


@dataclass(frozen=True, slots=True)
class AlertLine:
    """A group in one line: its first alert, how many fire, and since when the oldest does."""

    first: ShownAlert
    count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class AlertSummary:
    """What fires: the counts by severity, and the first groups of `rules` in all. It is small, however many fire."""

    counts: Mapping[str, int]
    lines: Sequence[AlertLine]
    rules: int


def summary_of(alerts: Iterable[ShownAlert], most: int) -> AlertSummary:
    """Returns what fires, with at most so many groups."""
    firing = [shown for shown in alerts if shown.alert.state == "firing"]
    groups = grouped(firing)
    lines = [AlertLine(group.first, len(group.alerts), group.since) for group in groups[:most]]
    return AlertSummary(counted(firing), lines, len(groups))


def grouped(alerts: Iterable[ShownAlert]) -> list[AlertGroup]:
    """Returns one group for each rule, by severity and then by age: the group of the worst, oldest alert first."""
    by_rule: dict[str, list[ShownAlert]] = {}
    for shown in sorted(alerts, key=_urgency):
        by_rule.setdefault(shown.alert.rule, []).append(shown)
    return [AlertGroup(rule, found) for rule, found in by_rule.items()]


def counted(alerts: Iterable[ShownAlert]) -> dict[str, int]:
    """Returns the number of alerts that nobody acknowledged, by severity, the worst first; none that is 0."""
    severities = [shown.alert.severity for shown in alerts if shown.alert.state == "firing"]
    counts = {severity: severities.count(severity) for severity in SEVERITIES}
    return {severity: count for severity, count in counts.items() if count}


def firing_ids(tx: Transaction, settings: Settings, actor: Actor, rule: str) -> list[str]:
    """Returns the ids of a rule's alerts that fire and that an actor sees, by the rule's name or title.

    Raises SubmissionError if there is no such rule.
    """
    found = seen_alerts(settings, actor, alerts_now(tx, settings)).open
    known = {*kinds_of(settings), *(shown.alert.rule for shown in found)}
    name = rule if rule in known else rule_name(rule)
    if name not in known:
        raise refused("rule", rule, msg("the name of a rule: {names}", names=", ".join(sorted(known))))
    return [shown.alert.id for shown in found if shown.alert.rule == name and shown.alert.state == "firing"]


def _urgency(shown: ShownAlert) -> tuple[int, datetime, str]:
    return SEVERITIES.index(shown.alert.severity), shown.alert.fired_at, shown.alert.id
