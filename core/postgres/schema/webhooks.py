"""Defines the tables of webhooks, their deliveries, and hooks."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from taskyard.core.postgres.schema.base import instant, listed, metadata
from taskyard.core.webhooks.schemes import Scheme
from taskyard.core.webhooks.webhook import DeliveryState

# Who is told of tasks' ends; a signature needs the secret itself, so it is no hash.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("queues", ARRAY(Text), nullable=False, server_default=sql("'{*}'")),
    Column("types", ARRAY(Text), nullable=False, server_default=sql("'{*}'")),
    Column("outcomes", ARRAY(Text), nullable=False),
    Column("has_output", Boolean, nullable=False, server_default=sql("false")),
    Column("secret", Text, nullable=False),
    Column("former_secret", Text),  # replaced, but also signs until `former_until`
    Column("former_until", instant),
    Column("from_transaction", BigInteger, nullable=False),  # earlier ones are not told
    Column("disabled_at", instant),
    Column("disabled_by", Text),
    Column("disabled_because", Text),
    Column("failing_since", instant),  # since when nothing arrived that was tried
    Column("last_delivered_at", instant),  # when a message arrived last, to the second
    Column("created_at", instant, nullable=False, server_default=sql("now()")),
    Column("created_by", Text, nullable=False),
    CheckConstraint("(former_secret IS NULL) = (former_until IS NULL)", name="webhooks_former_has_end"),
    CheckConstraint("(disabled_at IS NULL) = (disabled_by IS NULL)", name="webhooks_disabled_by_somebody"),
)

# The outbox, filled from the audit log.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("webhook_id", UUID(as_uuid=False), ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event", Text, nullable=False),
    Column("task_id", UUID(as_uuid=False)),
    Column("body", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default=sql("'pending'")),
    Column("attempts", Integer, nullable=False, server_default=sql("0")),
    Column("created_at", instant, nullable=False, server_default=sql("now()")),
    Column("due_at", instant, nullable=False, server_default=sql("now()")),
    Column("give_up_at", instant, nullable=False),
    Column("tried_at", instant),
    Column("status", Integer),
    Column("answer", Text),
    CheckConstraint(f"state IN ({listed(DeliveryState)})", name="webhook_deliveries_state_known"),
)
Index(
    "webhook_deliveries_due",
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.due_at,
    postgresql_where=sql("state = 'pending'"),
)
Index("webhook_deliveries_of_webhook", webhook_deliveries.c.webhook_id, webhook_deliveries.c.id)

# One row: the place up to which the audit log was read (core.postgres.store.event_stream.Horizon).
webhook_feed = Table(
    "webhook_feed",
    metadata,
    Column("singleton", SmallInteger, primary_key=True, autoincrement=False, server_default=sql("1")),
    Column("transaction", BigInteger, nullable=False),
    Column("since", instant, nullable=False),
    CheckConstraint("singleton = 1", name="webhook_feed_one_row"),
)

# By which others submit tasks.
hooks = Table(
    "hooks",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("scheme", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("former_secret", Text),
    Column("former_until", instant),
    Column("type", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("template", JSONB, nullable=False),
    Column("events", ARRAY(Text), nullable=False, server_default=sql("'{*}'")),
    Column("may_run_code", Boolean, nullable=False),  # its maker had code.submit
    Column("disabled_at", instant),
    Column("used_at", instant),
    Column("refused_at", instant),
    Column("created_at", instant, nullable=False, server_default=sql("now()")),
    Column("created_by", Text, nullable=False),
    CheckConstraint(f"scheme IN ({listed(Scheme)})", name="hooks_scheme_known"),
    CheckConstraint("(former_secret IS NULL) = (former_until IS NULL)", name="hooks_former_has_end"),
)
