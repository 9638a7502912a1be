"""Reads and changes alerts and silences, and reads the worker's rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from taskyard.core.alerts.kinds import KINDS
from taskyard.core.alerts.rules import (
    SHIPPED,
    ChannelConfig,
    EmailChannel,
    RuleFile,
    WebhookChannel,
    checked_rule_pattern,
    load_rules,
)
from taskyard.core.config import Settings
from taskyard.core.errors import ConfigurationError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.store import alerts, tasks
from taskyard.core.postgres.store.alerts import Alert, Silence
from taskyard.core.submission import authorized_alerts
from taskyard.dashboard.data.base import Servers, connections, forget, shared
from taskyard.dashboard.data.texts import checked
from taskyard.dashboard.data.viewer import actor

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
    """Unresolved alerts, worst first, silences, and whether a worker evaluates the rules now."""

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


@shared()
def now(servers: Servers) -> Alerts:
    """Returns firing and acknowledged alerts, and the silences."""
    with servers.database.transaction() as tx:
        found = alerts.open_alerts(tx)
        silences = alerts.silences(tx)
        is_judged = tasks.is_led(tx)
    kinds = _kinds(servers.settings)
    shown = [ShownAlert(a, kinds.get(a.rule), _silence_of(a, silences)) for a in found]
    shown.sort(key=lambda s: (SEVERITIES.index(s.alert.severity), -s.alert.fired_at.timestamp()))
    return Alerts(shown, silences, is_judged)


@shared(ttl_seconds=5.0)
def history(servers: Servers, rule: str | None) -> Sequence[ShownAlert]:
    """Returns the newest MAX_HISTORY resolved alerts, of one rule or of all."""
    with servers.database.transaction() as tx:
        found = alerts.list_alerts(tx, state="resolved", rule=rule, limit=MAX_HISTORY)
    kinds = _kinds(servers.settings)
    return [ShownAlert(alert, kinds.get(alert.rule)) for alert in found]


@shared(ttl_seconds=5.0)
def rules(servers: Servers) -> Rules:
    """Returns the rules as a worker with the same settings reads them when it starts."""
    path = servers.settings.alerts_file
    source, is_shipped = SHIPPED if path is None else str(path), path is None
    try:
        loaded = _load(servers.settings)
    except ConfigurationError as error:
        return Rules(source, is_shipped, problems=error.problems)
    return Rules(
        source,
        is_shipped,
        list(_shown_rules(loaded)),
        [ShownChannel(name, channel.kind, _target(channel)) for name, channel in loaded.channels.items()],
        loaded.evaluate_every_seconds,
    )


def acknowledge(alert_id: str, reason: str) -> bool:
    """Acknowledges a firing alert; returns False if it was not firing any more. Raises SubmissionError,
    NotPermitted or Unavailable.
    """
    why, who = checked("reason", reason), actor()
    with connections().database.transaction() as tx:
        is_changed = authorized_alerts.acknowledge(tx, who, alert_id, why)
    forget()
    return is_changed


def silence(rule: str, subject: str, seconds: float, reason: str) -> Silence:
    """Silences alerts that match the patterns; raises SubmissionError, NotPermitted or Unavailable."""
    if not 0 < seconds <= MAX_SILENCE_SECONDS:
        raise refused(
            "seconds", seconds, msg("more than 0 and at most {most:.0f}, which is a year", most=MAX_SILENCE_SECONDS)
        )
    rule, subject = checked("rule", rule, MAX_PATTERN_LENGTH), checked("subject", subject, MAX_PATTERN_LENGTH)
    why, who = checked("reason", reason), actor()
    with connections().database.transaction() as tx:
        fired = {alert.rule for alert in alerts.open_alerts(tx)}
        pattern = checked_rule_pattern(rule, connections().settings.alerts_file, fired)
        made = authorized_alerts.silence(tx, who, pattern, subject, seconds, why)
    forget()
    return made


def end_silence(silence_id: str) -> bool:
    """Ends a silence now; returns False if it had ended. Raises SubmissionError, NotPermitted or Unavailable."""
    who = actor()
    with connections().database.transaction() as tx:
        is_changed = authorized_alerts.end_silence(tx, who, silence_id)
    forget()
    return is_changed


def _load(settings: Settings) -> RuleFile:
    return load_rules(settings.alerts_file, environment=None)


def _kinds(settings: Settings) -> dict[str, str]:
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
