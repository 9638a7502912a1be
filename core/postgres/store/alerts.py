"""Stores alerts and silences."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

import orjson

from taskyard.core.i18n import msg
from taskyard.core.ids import parsed_id
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.encode import check_text
from taskyard.core.postgres.database import Transaction, queries

FIRED = ("id", "rule", "subject", "severity", "message", "value", "threshold", "message_id", "message_parameters")


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition that was met: firing → acknowledged → resolved.

    `message` is in English; its id and parameters are those of core.alerts.kinds, None if unknown.
    """

    id: str
    rule: str
    subject: str
    severity: str
    state: str
    message: str
    value: float | None
    threshold: float | None
    fired_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None
    message_id: str | None = None
    message_parameters: dict[str, Any] | None = None

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        return cls(*row)

    def as_json(self) -> dict[str, Any]:
        """Returns the alert as JSON, with times in ISO 8601."""
        return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Silence:
    """Suppresses notifications of alerts whose rule and subject match these patterns, until a time."""

    id: str
    rule: str
    subject: str
    until: datetime
    actor: str
    reason: str
    since: datetime

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        return cls(*row)

    def as_json(self) -> dict[str, Any]:
        """Returns the silence as JSON, with times in ISO 8601."""
        return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(self).items()}


def open_alerts(tx: Transaction) -> list[Alert]:
    """Returns all unresolved alerts, oldest first."""
    return [Alert.from_row(row) for row in tx.rows(queries("alerts")["open_alerts"], {})]


def list_alerts(
    tx: Transaction, *, is_open: bool = False, state: str | None = None, rule: str | None = None, limit: int = 100
) -> list[Alert]:
    """Returns the newest alerts that match."""
    parameters = {"is_open": is_open, "state": state, "rule": rule, "limit": limit}
    return [Alert.from_row(row) for row in tx.rows(queries("alerts")["list_alerts"], parameters)]


def find_alert(tx: Transaction, alert_id: str) -> Alert:
    """Returns the alert with this id; raises SubmissionError if there is none."""
    found = alert_of(tx, _known_id("alert", alert_id))
    if found is None:
        raise refused("alert", alert_id, msg("the id of an alert"))
    return found


def alert_of(tx: Transaction, alert_id: str) -> Alert | None:
    """Returns the alert with this valid id; None if there is none."""
    rows = tx.rows(queries("alerts")["alert"], {"id": alert_id})
    return Alert.from_row(rows[0]) if rows else None


def fire(tx: Transaction, fired: Sequence[Alert]) -> set[str]:
    """Stores new alerts; returns the ids of those whose condition had no open one yet."""
    rows = [
        {name: getattr(alert, name) for name in FIRED} | {"fired_at": alert.fired_at.timestamp()} for alert in fired
    ]
    return {str(row[0]) for row in tx.rows(queries("alerts")["fire"], {"alerts": orjson.dumps(rows).decode()})}


def update(tx: Transaction, changed: Sequence[Alert]) -> None:
    """Updates the messages and values of open alerts, all at once."""
    parameters = {
        "ids": [alert.id for alert in changed],
        "messages": [alert.message for alert in changed],
        "values": [alert.value or 0.0 for alert in changed],
        "message_ids": [alert.message_id for alert in changed],
        "message_parameters": [_json(alert.message_parameters) for alert in changed],
    }
    tx.rows(queries("alerts")["update_alerts"], parameters)


def resolve(tx: Transaction, ended: Mapping[str, datetime]) -> None:
    """Resolves those of these alerts (ids, and when they ended) that are open."""
    times = [at.timestamp() for at in ended.values()]
    tx.rows(queries("alerts")["resolve"], {"ids": list(ended), "times": times})


def acknowledge(tx: Transaction, alert_id: str, actor: str, reason: str) -> bool:
    """Acknowledges a firing alert, with an audit row; returns False if it was not firing. Raises SubmissionError."""
    return bool(acknowledge_many(tx, [alert_id], actor, reason))


def acknowledge_many(tx: Transaction, alert_ids: Sequence[str], actor: str, reason: str) -> list[str]:
    """Acknowledges those of the alerts that fire, with an audit row each; returns their ids. Raises SubmissionError."""
    parameters = {"ids": [_known_id("alert", one) for one in alert_ids], "actor": actor, "reason": reason}
    return [str(row[0]) for row in tx.rows(queries("alerts")["acknowledge"], parameters)]


def silence(tx: Transaction, rule: str, subject: str, seconds: float, actor: str, reason: str) -> Silence:
    """Silences alerts that match the patterns, with an audit row. Raises SubmissionError."""
    parameters = {
        "id": str(uuid.uuid4()),
        "rule": check_text("rule", rule),
        "subject": check_text("subject", subject),
        "seconds": seconds,
        "actor": actor,
        "reason": reason and check_text("reason", reason),
    }
    return Silence.from_row(tx.rows(queries("alerts")["silence"], parameters)[0])


def end_silence(tx: Transaction, silence_id: str, actor: str) -> bool:
    """Ends a silence now, with an audit row; returns False if it had ended. Raises SubmissionError."""
    parameters = {"id": _known_id("silence", silence_id), "actor": actor}
    return bool(tx.rows(queries("alerts")["end_silence"], parameters))


def silences(tx: Transaction) -> list[Silence]:
    """Returns the silences in force."""
    return [Silence.from_row(row) for row in tx.rows(queries("alerts")["silences"], {})]


def prune(tx: Transaction, days: int) -> None:
    """Deletes alerts and silences that ended more than `days` ago."""
    tx.rows(queries("alerts")["prune_alerts"], {"days": days})


def _json(parameters: dict[str, Any] | None) -> str | None:
    return None if parameters is None else orjson.dumps(parameters).decode()


def _known_id(field: str, value: str) -> str:
    known = parsed_id(value)
    if known is None:
        raise refused(field, value, msg("an id (a UUID)"))
    return known
