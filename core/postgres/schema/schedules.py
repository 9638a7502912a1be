"""Defines the tables of schedules and of what became of their fire times."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, Double, ForeignKey, Index, SmallInteger, Table, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSON, JSONB, UUID

from taskyard.core.postgres.schema.base import instant, listed, metadata
from taskyard.core.schedules.due import CatchUp
from taskyard.core.schedules.schedule import FireOutcome, Origin, Overlap
from taskyard.core.schedules.what import Kind

schedules = Table(
    "schedules",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("cron", Text),
    Column("interval_seconds", Double),
    Column("time_zone", Text, nullable=False),
    Column("kind", Text, nullable=False, server_default=sql("'task'")),  # of what it submits
    Column("what", JSON, nullable=False),  # that and its fields; json keeps the texts of inputs
    Column("is_enabled", Boolean, nullable=False, server_default=sql("true")),
    Column("catch_up", Text, nullable=False),
    Column("catch_up_limit", SmallInteger, nullable=False),
    Column("overlap", Text, nullable=False),
    Column("jitter_seconds", Double, nullable=False, server_default=sql("0")),
    Column("starts_at", instant),
    Column("ends_at", instant),
    Column("expected_seconds", Double),  # after a fire time, by which its task should have completed
    Column("owner", Text, nullable=False, server_default=sql("''")),  # what declares it: code:<type>, file:<name>
    Column("may_run_code", Boolean, nullable=False),  # who set what it submits had code.submit
    Column("anchor_at", instant, nullable=False),  # from which intervals count
    Column("next_fire_at", instant),  # NULL: paused, or nothing more to come
    Column("created_at", instant, nullable=False, server_default=sql("now()")),
    Column("created_by", Text, nullable=False),
    CheckConstraint("num_nonnulls(cron, interval_seconds) = 1", name="schedules_cron_or_interval"),
    CheckConstraint("is_enabled OR next_fire_at IS NULL", name="schedules_paused_does_not_fire"),
    CheckConstraint(f"kind IN ({listed(Kind)})", name="schedules_kind_known"),
    CheckConstraint(f"catch_up IN ({listed(CatchUp)})", name="schedules_catch_up_known"),
    CheckConstraint(f"overlap IN ({listed(Overlap)})", name="schedules_overlap_known"),
)
Index("schedules_next_fire", schedules.c.next_fire_at, postgresql_where=sql("next_fire_at IS NOT NULL"))

# Each fire time once: that a fire time has a row here is what keeps it from being fired twice.
schedule_fires = Table(
    "schedule_fires",
    metadata,
    Column("schedule_id", UUID(as_uuid=False), ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True),
    Column("fire_time", instant, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("task_id", UUID(as_uuid=False)),
    Column("workflow_id", UUID(as_uuid=False)),  # chosen when it is recorded, before the workflow is submitted
    Column("submit_at", instant),  # when a workflow that is due is to be submitted
    Column("reason", Text),
    Column("reason_message", JSONB),  # what the reason was made of, to be translated
    Column("recorded_at", instant, nullable=False, server_default=sql("now()")),
    CheckConstraint(f"outcome IN ({listed(FireOutcome)})", name="schedule_fires_outcome_known"),
    CheckConstraint(f"origin IN ({listed(Origin)})", name="schedule_fires_origin_known"),
    CheckConstraint(
        "outcome NOT IN ('due', 'submitted') OR num_nonnulls(task_id, workflow_id) = 1",
        name="schedule_fires_submitted_has_id",
    ),
    CheckConstraint("(outcome = 'due') = (submit_at IS NOT NULL)", name="schedule_fires_due_has_time"),
)
Index(
    "schedule_fires_with_task",
    schedule_fires.c.schedule_id,
    schedule_fires.c.fire_time,
    postgresql_where=sql("task_id IS NOT NULL"),
)
Index(
    "schedule_fires_with_workflow",
    schedule_fires.c.schedule_id,
    schedule_fires.c.fire_time,
    postgresql_where=sql("workflow_id IS NOT NULL"),
)
Index("schedule_fires_workflow", schedule_fires.c.workflow_id, postgresql_where=sql("workflow_id IS NOT NULL"))
Index("schedule_fires_due", schedule_fires.c.submit_at, postgresql_where=sql("outcome = 'due'"))
Index("schedule_fires_fire_time", schedule_fires.c.fire_time, postgresql_using="brin")
