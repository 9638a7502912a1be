"""Drops what is in quarantine, and sends or removes messages between agents, as far as an actor may.

These are of no queue or type, so a narrowed role does not suffice. Everything raises NotPermitted in addition to the
errors of what it calls.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.mailbox_admin import Redriven


def drop_quarantined(broker: Broker, actor: Actor, item_ids: Sequence[str] | None) -> int:
    """See `Quarantine.drop`; None drops all."""
    actor.require(Permission.TASK_OPERATE, queue=EVERY, type_=EVERY)
    return broker.quarantine.drop_all() if item_ids is None else broker.quarantine.drop(item_ids)


def redrive(broker: Broker, actor: Actor, agent: str, letter_ids: Sequence[str] | None) -> Redriven:
    """See `MailboxAdmin.redrive`."""
    actor.require(Permission.AGENT_CONTROL, queue=EVERY, type_=EVERY)
    return broker.mailbox_admin.redrive(agent, letter_ids)


def purge(broker: Broker, actor: Actor, agent: str, *, dead: bool, older_than_seconds: float) -> int:
    """See `MailboxAdmin.purge`."""
    actor.require(Permission.AGENT_CONTROL, queue=EVERY, type_=EVERY)
    return broker.mailbox_admin.purge(agent, dead=dead, older_than_seconds=older_than_seconds)
