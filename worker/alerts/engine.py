"""Evaluates the rules, keeps alerts in PostgreSQL, notifies the channels.

One worker evaluates at a time: the leader, or the one that is present when none leads. While PostgreSQL is away
notifications are still sent, and alerts are stored when it is back.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import structlog

from taskyard.core.alerts.reading import Reading
from taskyard.core.alerts.rules import Rule, RuleFile
from taskyard.core.alerts.runbook import runbook_command
from taskyard.core.alerts.signals import Signals
from taskyard.core.alerts.subject_page import alert_url, rule_url, subject_url
from taskyard.core.errors import Unavailable
from taskyard.core.message_templates import identity
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import alerts
from taskyard.core.postgres.store.alerts import Alert, Silence
from taskyard.core.telemetry.live_snapshot import FiringAlert
from taskyard.worker.alerts.conditions import read
from taskyard.worker.alerts.delivery import Deliveries
from taskyard.worker.alerts.lifecycle import Change, Condition, Key, Lifecycle
from taskyard.worker.alerts.notification import Notification

log = structlog.get_logger(__name__)


class AlertEngine:
    """Holds the alerts of one worker."""

    def __init__(
        self, rules: RuleFile, database: Database, deliveries: Deliveries, installation: str, pages: str = ""
    ) -> None:
        """Takes the address of the dashboard's `pages` for links; without it there are none."""
        self._pages = pages
        self._rules = {rule.name: rule for rule in rules.rules}
        self._database = database
        self._deliveries = deliveries
        self._installation = installation
        self._lifecycle = Lifecycle()
        self._open: dict[Key, Alert] = {}
        self._unreported: set[Key] = set()  # silenced when they fired
        self._unsaved: set[Key] = set()
        self._to_resolve: dict[str, datetime] = {}  # alerts that ended while PostgreSQL was away
        self._silences: Sequence[Silence] = ()
        self._is_loaded = False
        self.firing: list[FiringAlert] = []  # after the last evaluation; replaced, never changed
        self._broken: set[str] = set()  # rules whose evaluation failed last time

    def evaluate(self, signals: Signals, now: datetime, elapsed: float) -> None:
        """Evaluates every rule once; `elapsed` is monotonic seconds, by which conditions last."""
        ended = self._synchronise(now)
        fired: list[Alert] = []
        for rule in self._rules.values():
            for change, key, reading in self._step(rule, signals, elapsed):
                if change is Change.FIRED:
                    fired.append(_fired(rule, key[1], reading, now))
                elif change is Change.RESOLVED:
                    ended.append(key)
                else:
                    self._open[key] = replace(self._open[key], value=reading.value, **_message(reading))
        self._fire(fired, now)
        self._resolve(ended, now)
        for key in sorted(self._unreported):
            if not self._is_silenced(key, now):
                self._unreported.discard(key)
                self._tell(key, "firing")
        self.firing = [
            FiringAlert(
                alert.id,
                alert.rule,
                alert.subject,
                alert.severity,
                alert.state,
                alert.message,
                alert.fired_at.timestamp(),
                alert.message_id,
                alert.message_parameters,
            )
            for alert in self._open.values()
        ]

    def forget(self) -> None:
        """Clears the engine's memory because another worker evaluates now."""
        self._is_loaded = False
        self._lifecycle = Lifecycle()
        self._open.clear()
        self._unreported.clear()
        self._unsaved.clear()
        self.firing = []

    def _step(self, rule: Rule, signals: Signals, elapsed: float) -> list[tuple[Change, Key, Reading]]:
        try:
            readings = read(rule, signals)
        except Exception:  # one rule's defect must not silence the others
            if rule.name not in self._broken:
                log.exception("alert.rule_failed", rule=rule.name)
            self._broken.add(rule.name)
            return []
        self._broken.discard(rule.name)
        return self._lifecycle.step(rule, readings, elapsed)

    # PostgreSQL

    def _synchronise(self, now: datetime) -> list[Key]:
        """Reads others' changes to alerts and silences, and stores what could not be stored before.

        Returns alerts that are over because their rule was removed from the file.
        """
        try:
            with self._database.transaction() as tx:
                stored = {(alert.rule, alert.subject): alert for alert in alerts.open_alerts(tx)}
                self._silences = alerts.silences(tx)
                unsaved = {self._open[key].id: key for key in sorted(self._unsaved) if key not in stored}
                if unsaved:
                    saved = alerts.fire(tx, [self._open[key] for key in unsaved.values()])
                    stored |= {unsaved[alert_id]: self._open[unsaved[alert_id]] for alert_id in saved}
                if self._to_resolve:
                    alerts.resolve(tx, self._to_resolve)
                stored = {key: alert for key, alert in stored.items() if alert.id not in self._to_resolve}
                if changed := self._changed(stored):
                    alerts.update(tx, changed)
        except Unavailable as error:
            log.debug("alerts.waiting", reason=str(error))  # the monitor's duties log it
            return []
        self._unsaved.clear()
        self._to_resolve.clear()
        return self._adopt(stored, now)

    def _changed(self, stored: Mapping[Key, Alert]) -> list[Alert]:
        """Returns those of the open alerts that say something else than what is stored of them."""
        pairs = ((self._open.get(key), alert) for key, alert in stored.items())
        return [mine for mine, alert in pairs if mine is not None and _message_fields(mine) != _message_fields(alert)]

    def _adopt(self, stored: dict[Key, Alert], now: datetime) -> list[Key]:
        """Adopts the stored alerts, and at first restores their conditions; returns those without a rule."""
        for key, alert in stored.items():
            mine = self._open.get(key)
            self._open[key] = alert if mine is None else replace(alert, **_message_fields(mine))
            if key not in self._lifecycle.conditions:
                reading = Reading(alert.value or 0.0, alert.message)
                self._lifecycle.conditions[key] = Condition(0.0, reading, is_firing=True)
                if not self._is_loaded and self._is_silenced(key, now):
                    self._unreported.add(key)
        self._is_loaded = True
        return self._lifecycle.forget(lambda key: key[0] in self._rules)

    def _fire(self, fired: Sequence[Alert], now: datetime) -> None:
        """Stores new alerts all at once, and notifies of those that no other worker stored before."""
        if not fired:
            return
        self._open |= {(alert.rule, alert.subject): alert for alert in fired}
        try:
            with self._database.transaction() as tx:
                first = alerts.fire(tx, fired)
        except Unavailable:
            self._unsaved |= {(alert.rule, alert.subject) for alert in fired}
            first = {alert.id for alert in fired}
        for alert in fired:
            key = (alert.rule, alert.subject)
            if alert.id not in first:
                continue  # another worker was faster, and notifies
            if self._is_silenced(key, now):
                self._unreported.add(key)
            else:
                self._tell(key, "firing")

    def _resolve(self, ended: Sequence[Key], now: datetime) -> None:
        """Resolves alerts all at once, and notifies of those that had been sent."""
        over = {key: self._open.pop(key) for key in ended}
        stored = {alert.id: now for key, alert in over.items() if key not in self._unsaved}
        if stored:
            try:
                with self._database.transaction() as tx:
                    alerts.resolve(tx, stored)
            except Unavailable:
                self._to_resolve |= stored
        for key, alert in over.items():
            if key not in self._unreported and not self._is_silenced(key, now):
                self._deliveries.send(self._channels_of(key), self._notification(alert, "resolved", now))
        self._unsaved -= over.keys()
        self._unreported -= over.keys()

    # telling

    def _tell(self, key: Key, event: str) -> None:
        self._deliveries.send(self._channels_of(key), self._notification(self._open[key], event, None))

    def _channels_of(self, key: Key) -> Sequence[str] | None:
        rule = self._rules.get(key[0])
        return None if rule is None else rule.channels

    def _notification(self, alert: Alert, event: str, resolved_at: datetime | None) -> Notification:
        rule = self._rules.get(alert.rule)
        kind = rule.kind if rule else None
        return Notification(
            event=event,  # type: ignore[arg-type]
            id=alert.id,
            rule=alert.rule,
            subject=alert.subject,
            severity=alert.severity,
            message=alert.message,
            value=alert.value,
            threshold=alert.threshold,
            fired_at=alert.fired_at.astimezone(UTC).isoformat(),
            resolved_at=resolved_at.isoformat() if resolved_at else None,
            installation=self._installation,
            runbook=runbook_command(kind),
            url=alert_url(self._pages, alert.id),
            subject_url=subject_url(self._pages, kind, alert.subject),
            rule_url=rule_url(self._pages, alert.rule),
        )

    def _is_silenced(self, key: Key, now: datetime) -> bool:
        return any(
            silence.until > now and fnmatchcase(key[0], silence.rule) and fnmatchcase(key[1], silence.subject)
            for silence in self._silences
        )


def _fired(rule: Rule, subject: str, reading: Reading, now: datetime) -> Alert:
    """Returns a new alert."""
    return Alert(
        str(uuid.uuid4()),
        rule.name,
        subject,
        rule.severity,
        "firing",
        value=reading.value,
        threshold=rule.threshold,
        fired_at=now,
        **_message(reading),
    )


def _message(reading: Reading) -> dict[str, Any]:
    """Returns the fields of an alert that hold a reading's message."""
    message_id, parameters = identity(reading.message)
    return {"message": str(reading.message), "message_id": message_id, "message_parameters": parameters}


def _message_fields(alert: Alert) -> dict[str, Any]:
    """Returns the fields of an alert that change while it is open."""
    return {name: getattr(alert, name) for name in ("message", "message_id", "message_parameters", "value")}
