"""Defines the tables of what belongs to several tasks: edges, workflows, inputs made of outputs, signals."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSON, JSONB, UUID

from taskyard.core.edges import Condition, EdgeKind
from taskyard.core.postgres.schema.base import instant, listed, metadata

# One row for each task that another one waits for, or has waited for. It stays.
task_dependencies = Table(
    "task_dependencies",
    metadata,
    Column("parent_id", UUID(as_uuid=False), primary_key=True),
    Column("child_id", UUID(as_uuid=False), primary_key=True),
    Column("condition", Text, nullable=False, server_default=text("'completed'")),
    Column("kind", Text, nullable=False, server_default=text("'after'")),
    Column("is_open", Boolean, nullable=False, server_default=text("true")),  # the child waits for it
    Column("met_at", instant),  # when the parent ended as the condition says; NULL: not yet, or otherwise
    CheckConstraint(f"condition IN ({listed(Condition)})", name="task_dependencies_condition_known"),
    CheckConstraint(f"kind IN ({listed(EdgeKind)})", name="task_dependencies_kind_known"),
    CheckConstraint("NOT is_open OR met_at IS NULL", name="task_dependencies_met_is_closed"),
)
Index("task_dependencies_child", task_dependencies.c.child_id)
Index("task_dependencies_open", task_dependencies.c.parent_id, postgresql_where=text("is_open"))

# Tasks that were submitted together. `state` and `counts` are those of its end.
workflows = Table(
    "workflows",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("title", Text),
    Column("tasks", Integer, nullable=False),  # submitted with it, without those of handlers
    Column("idempotency_key", Text),
    Column("content_hash", Text),
    Column("parent_task_id", UUID(as_uuid=False)),  # whose handler submitted it
    Column("created_by", Text, nullable=False, server_default=text("''")),
    Column("created_at", instant, nullable=False, server_default=text("now()")),
    Column("cancelled_at", instant),
    Column("ended_at", instant),
    Column("state", Text),
    Column("counts", JSONB),  # tasks by state
    CheckConstraint("kind IN ('group', 'workflow')", name="workflows_kind_known"),
    CheckConstraint("(idempotency_key IS NULL) = (content_hash IS NULL)", name="workflows_key_has_hash"),
    CheckConstraint("(ended_at IS NULL) = (state IS NULL)", name="workflows_ended_has_state"),
)
Index(
    "workflows_idempotency_key",
    workflows.c.idempotency_key,
    unique=True,
    postgresql_where=text("idempotency_key IS NOT NULL"),
)
Index("workflows_open", workflows.c.id, postgresql_where=text("ended_at IS NULL"))
Index("workflows_parent_task", workflows.c.parent_task_id, postgresql_where=text("parent_task_id IS NOT NULL"))

# Inputs with references to outputs of parents. Due: all parents have ended, and it is to be resolved.
task_inputs = Table(
    "task_inputs",
    metadata,
    Column("task_id", UUID(as_uuid=False), primary_key=True),
    Column("template", JSON, nullable=False),
    Column("is_due", Boolean, nullable=False, server_default=text("false")),
    Column("resolved_at", instant),
)
Index("task_inputs_due", task_inputs.c.task_id, postgresql_where=text("is_due"))

# Signals that tasks wait for, waited for, or may wait for later.
task_signals = Table(
    "task_signals",
    metadata,
    Column("task_id", UUID(as_uuid=False), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("signal_id", Text, primary_key=True),  # the sender's: a second one with the same id is ignored
    Column("number", Integer, nullable=False),  # of the task's signals in their order, from 1
    Column("kind", Text, nullable=False),
    Column("data", JSON),  # NULL: its time ran out
    Column("sent_by", Text, nullable=False, server_default=text("''")),
    Column("sent_at", instant, nullable=False, server_default=text("now()")),
    CheckConstraint("kind IN ('answer', 'signal', 'timeout')", name="task_signals_kind_known"),
)
