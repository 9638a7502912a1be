"""Defines the monitor's tables: counts, samples, failures, alerts and silences."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Double, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from taskyard.core.postgres.schema.base import instant, metadata


def _histogram(name: str) -> list[Column[object]]:
    """Returns the columns of one histogram (core.telemetry.histogram): the sum, and parallel arrays of buckets and
    counts.
    """
    return [
        Column(f"{name}_seconds", Double, nullable=False, server_default=text("0")),
        Column(f"{name}_buckets", ARRAY(Integer), nullable=False, server_default=text("'{}'")),
        Column(f"{name}_counts", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    ]


# What happened in each minute, hour and day (`level_seconds` long, beginning at `at`).
metric_counts = Table(
    "metric_counts",
    metadata,
    Column("level_seconds", Integer, primary_key=True, autoincrement=False),
    Column("at", instant, primary_key=True),
    Column("queue", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("agent", Text, primary_key=True),  # by name; empty: no agent was involved
    *(
        Column(name, BigInteger, nullable=False, server_default=text("0"))
        for name in ("submitted", "completed", "failed", "retried", "timed_out", "cancelled")
    ),
    Column("failures", JSONB, nullable=False, server_default=text("'{}'")),  # attempts by error class
    *_histogram("wait"),
    *_histogram("run"),
    *_histogram("total"),
    Column("cpu_seconds", Double, nullable=False, server_default=text("0")),
    Column("peak_memory_bytes", BigInteger),
)

# Up to when each level is rolled up.
metric_progress = Table(
    "metric_progress",
    metadata,
    Column("level_seconds", Integer, primary_key=True, autoincrement=False),
    Column("rolled_to", instant, nullable=False),
)

# Samples of hosts, processes and servers in each minute, hour and day.
metric_samples = Table(
    "metric_samples",
    metadata,
    Column("level_seconds", Integer, primary_key=True, autoincrement=False),
    Column("at", instant, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("total", Double, nullable=False),
    Column("least", Double, nullable=False),
    Column("most", Double, nullable=False),
)

# Failures with probably the same cause (core.scheduling.retry.fingerprint); `message` is that of the latest.
failure_groups = Table(
    "failure_groups",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("class", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("first_seen", instant, nullable=False),
    Column("last_seen", instant, nullable=False),
    Column("example_task_id", UUID(as_uuid=False), nullable=False),
    Column("muted_until", instant),
    Column("muted_by", Text),
    Column("mute_reason", Text),
    CheckConstraint("(muted_until IS NULL) = (muted_by IS NULL)", name="failure_groups_muted_by_somebody"),
)
Index("failure_groups_last_seen", failure_groups.c.last_seen)

# How often each occurred in each minute, hour and day: failed attempts, and tasks that ended by them.
failure_counts = Table(
    "failure_counts",
    metadata,
    Column("level_seconds", Integer, primary_key=True, autoincrement=False),
    Column("at", instant, primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("attempts", BigInteger, nullable=False),
    Column("tasks", BigInteger, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("rule", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("value", Double),
    Column("threshold", Double),
    Column("fired_at", instant, nullable=False),
    Column("acknowledged_at", instant),
    Column("acknowledged_by", Text),
    Column("resolved_at", instant),
    Column("message_id", Text),  # of core.alerts.kinds; NULL: of an older release, or an external message
    Column("message_parameters", JSONB),
    CheckConstraint("severity IN ('critical', 'info', 'warning')", name="alerts_severity_known"),
    CheckConstraint("state IN ('acknowledged', 'firing', 'resolved')", name="alerts_state_known"),
    CheckConstraint("state <> 'acknowledged' OR acknowledged_at IS NOT NULL", name="alerts_acknowledged_has_time"),
    CheckConstraint("(state = 'resolved') = (resolved_at IS NOT NULL)", name="alerts_resolved_has_time"),
)
Index(
    "alerts_open", alerts.c.rule, alerts.c.subject, unique=True, postgresql_where=text("resolved_at IS NULL")
)  # one open alert for each condition, however many workers see it
Index("alerts_fired_at", alerts.c.fired_at)

alert_silences = Table(
    "alert_silences",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("rule", Text, nullable=False),  # patterns as in fnmatch
    Column("subject", Text, nullable=False),
    Column("until", instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("since", instant, nullable=False, server_default=text("now()")),
)
