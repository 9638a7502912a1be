"""Acknowledges and silences alerts and mutes failures, as far as an actor may.

Everything raises NotPermitted in addition to the store's errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import alerts, failures
from taskyard.core.postgres.store.alerts import Silence


def acknowledge(tx: Transaction, actor: Actor, alert_id: str, reason: str) -> bool:
    """See core.postgres.store.alerts."""
    actor.require(Permission.ALERT_HANDLE)
    return alerts.acknowledge(tx, alert_id, actor.name, reason)


def acknowledge_many(tx: Transaction, actor: Actor, alert_ids: Sequence[str], reason: str) -> list[str]:
    """See core.postgres.store.alerts."""
    actor.require(Permission.ALERT_HANDLE)
    return alerts.acknowledge_many(tx, alert_ids, actor.name, reason)


def silence(tx: Transaction, actor: Actor, rule: str, subject: str, seconds: float, reason: str) -> Silence:
    """See core.postgres.store.alerts; nobody hears of a silenced alert, so a narrowed role does not suffice."""
    actor.require(Permission.ALERT_HANDLE, queue=EVERY, type_=EVERY)
    return alerts.silence(tx, rule, subject, seconds, actor.name, reason)


def end_silence(tx: Transaction, actor: Actor, silence_id: str) -> bool:
    """See core.postgres.store.alerts."""
    actor.require(Permission.ALERT_HANDLE, queue=EVERY, type_=EVERY)
    return alerts.end_silence(tx, silence_id, actor.name)


def mute(tx: Transaction, actor: Actor, fingerprint: str, seconds: float, reason: str) -> datetime:
    """See core.postgres.store.failures."""
    actor.require(Permission.ALERT_HANDLE, queue=EVERY, type_=EVERY)
    return failures.mute(tx, fingerprint, seconds, actor.name, reason)


def unmute(tx: Transaction, actor: Actor, fingerprint: str) -> bool:
    """See core.postgres.store.failures."""
    actor.require(Permission.ALERT_HANDLE, queue=EVERY, type_=EVERY)
    return failures.unmute(tx, fingerprint, actor.name)
