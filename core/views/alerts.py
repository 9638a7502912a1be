"""Reads alerts with their silences, and the rules as a worker reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.alerts.kinds import KINDS
from taskyard.core.alerts.rules import (
    SHIPPED,
    ChannelConfig,
    EmailChannel,
    RuleFile,
    WebhookChannel,
    load_rules,
)
from taskyard.core.config import Settings
from taskyard.core.errors import ConfigurationError
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import alerts, tasks
from taskyard.core.postgres.store.alerts import Alert, Silence
from taskyard.core.views.seeing import sees_alert, sees_silence

MAX_HISTORY = 500
MAX_PATTERN_LENGTH = 200  # characters
MAX_SILENCE_SECONDS = 366 * 86_400.0
SEVERITIES = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """An alert, its rule's kind (None: unknown rule), and the end of its silence."""

    alert: Alert
    kind: str | None
    silence: Silence | None = None


@dataclass(frozen=True, slots=True)
class Alerts:
    """Unresolved alerts, by severity and then age, silences, and whether a worker evaluates the rules now."""

    open: Sequence[ShownAlert]
    silences: Sequence[Silence]
    is_judged: bool

    def in_state(self, state: str) -> list[ShownAlert]:
        """Returns the open alerts that are firing, or acknowledged."""
        return [shown for shown in self.open if shown.alert.state == state]


@dataclass(frozen=True, slots=True)
class ShownRule:
    """A rule as the worker reads it. `threshold` and `clear` are None for a yes-or-no kind."""

    name: str
    kind: str
    severity: str
    measures: str
    threshold: float | None
    clear: float | None
    for_seconds: float
    window_seconds: float | None
    subjects: Sequence[str]
    channels: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class ShownChannel:
    """A notification channel without its secrets: of a URL only the host."""

    name: str
    kind: str
    target: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of the file `source`, or one line for each problem in it."""

    source: str
    is_shipped: bool
    rules: Sequence[ShownRule] = ()
    channels: Sequence[ShownChannel] = ()
    every_seconds: float = 0.0
    problems: Sequence[str] = ()


def seen_alerts(settings: Settings, actor: Actor, found: Alerts) -> Alerts:
    """Returns those of the alerts and silences that an actor sees."""
    if not actor.is_narrowed:
        return found
    rules = kinds_of(settings).items()
    return Alerts(
        [one for one in found.open if sees_alert(actor, one.kind, one.alert.subject)],
        [one for one in found.silences if sees_silence(actor, one, rules)],
        found.is_judged,
    )


def seen_rules(actor: Actor, found: Rules) -> Rules:
    """Returns the rules with those of their subjects that an actor sees, and no rule that has only others."""
    if not actor.is_narrowed:
        return found
    rules = []
    for rule in found.rules:
        subjects = [name for name in rule.subjects if name == EVERY or sees_alert(actor, rule.kind, name)]
        if subjects or not rule.subjects:
            rules.append(replace(rule, subjects=subjects))
    return replace(found, rules=rules)


def alerts_now(tx: Transaction, settings: Settings) -> Alerts:
    """Returns firing and acknowledged alerts, and the silences; raises Unavailable."""
    found = alerts.open_alerts(tx)
    silences = alerts.silences(tx)
    kinds = kinds_of(settings)
    shown = [ShownAlert(a, kinds.get(a.rule), _silence_of(a, silences)) for a in found]
    shown.sort(key=lambda s: SEVERITIES.index(s.alert.severity))  # they come the oldest first
    return Alerts(shown, silences, tasks.is_led(tx))


def seen_silences(tx: Transaction, settings: Settings, actor: Actor) -> list[Silence]:
    """Returns the silences that an actor sees; raises Unavailable."""
    rules = kinds_of(settings).items()
    return [one for one in alerts.silences(tx) if sees_silence(actor, one, rules)]


def alert_history(
    tx: Transaction,
    settings: Settings,
    rule: str | None,
    limit: int = MAX_HISTORY,
    *,
    state: str | None = "resolved",
) -> list[ShownAlert]:
    """Returns the newest resolved alerts, or those of every `state`, of one rule or of all; raises Unavailable."""
    found = alerts.list_alerts(tx, state=state, rule=rule, limit=limit)
    kinds = kinds_of(settings)
    silences = [] if state == "resolved" else alerts.silences(tx)
    return [
        ShownAlert(alert, kinds.get(alert.rule), None if alert.resolved_at else _silence_of(alert, silences))
        for alert in found
    ]


def shown_alert(tx: Transaction, settings: Settings, alert_id: str) -> ShownAlert | None:
    """Returns one alert; None if there is none with this id. Raises Unavailable."""
    found = alerts.alert_of(tx, alert_id)
    if found is None:
        return None
    silence = None if found.resolved_at else _silence_of(found, alerts.silences(tx))
    return ShownAlert(found, kinds_of(settings).get(found.rule), silence)


def alert_rules(settings: Settings) -> Rules:
    """Returns the rules as a worker with the same settings reads them when it starts."""
    path = settings.alerts_file
    source, is_shipped = SHIPPED if path is None else str(path), path is None
    try:
        loaded = _load(settings)
    except ConfigurationError as error:
        return Rules(source, is_shipped, problems=error.problems)
    return Rules(
        source,
        is_shipped,
        list(_shown_rules(loaded)),
        [ShownChannel(name, channel.kind, _target(channel)) for name, channel in loaded.channels.items()],
        loaded.evaluate_every_seconds,
    )


def kind_of(settings: Settings, name: str) -> str | None:
    """Returns the kind of alert that is meant by a rule's or a kind's name; None if there is none."""
    return name if name in KINDS else kinds_of(settings).get(name)


def _load(settings: Settings) -> RuleFile:
    return load_rules(settings.alerts_file, environment=None)


def kinds_of(settings: Settings) -> dict[str, str]:
    """Returns each rule's kind by name; empty if the file can't be read, which `rules` reports."""
    try:
        return {rule.name: rule.kind for rule in _load(settings).rules}
    except ConfigurationError:
        return {}


def _silence_of(alert: Alert, silences: Sequence[Silence]) -> Silence | None:
    """Returns the longest silence of this alert; patterns match as they do for the worker."""
    matching = [s for s in silences if fnmatchcase(alert.rule, s.rule) and fnmatchcase(alert.subject, s.subject)]
    return max(matching, key=lambda s: s.until, default=None)


def _shown_rules(loaded: RuleFile) -> Iterable[ShownRule]:
    for rule in loaded.rules:
        kind = KINDS[rule.kind]
        yield ShownRule(
            name=rule.name,
            kind=rule.kind,
            severity=rule.severity,
            measures=kind.measures,
            threshold=rule.threshold if kind.has_threshold else None,
            clear=rule.clear if kind.has_threshold else None,
            for_seconds=rule.for_seconds,
            window_seconds=rule.window_seconds if kind.window_seconds is not None else None,
            subjects=rule.subjects,
            channels=rule.channels,
        )


def _target(channel: ChannelConfig) -> str:
    if isinstance(channel, WebhookChannel):
        return urlsplit(channel.url).hostname or ""
    if isinstance(channel, EmailChannel):
        return f"{', '.join(channel.recipients)} ({channel.host})"
    return ""
