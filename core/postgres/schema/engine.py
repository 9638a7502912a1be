"""Defines the tables of tasks, their audit log, agents, holds and leadership.

No index of `tasks` names `state`, `attempt` or the agent: a claim can then be a heap-only (HOT)
update that touches no index, and the planner has no small partial index to mistake for a short
cut in the settle statement (measured: 48 µs instead of 8 µs a row).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, REAL, UUID

from taskyard.core.postgres.schema.base import instant, listed, metadata
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.scheduling.pool_sizes import MAX_AGENTS
from taskyard.core.states import CLAIMED, TERMINAL, Priority, TaskState

tasks = Table(
    "tasks",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("queue", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("title", Text),
    Column("state", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("input", JSON, nullable=False),  # json and not jsonb: it keeps the submitted text
    Column("output", JSON),
    Column("error", JSONB),
    Column("requires", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("refunded", Integer, nullable=False, server_default=text("0")),
    Column("refunds", SmallInteger, nullable=False, server_default=text("0")),  # since an operator's last retry
    Column("max_attempts", SmallInteger, nullable=False),
    Column("timeout_seconds", Double, nullable=False),
    Column("run_at", instant),
    Column("ready_at", instant, nullable=False, server_default=text("now()")),
    Column("idempotency_key", Text),
    Column("content_hash", Text),
    Column("workflow_id", UUID(as_uuid=False)),
    Column("waiting_on", Integer, nullable=False, server_default=text("0")),
    Column("creator_agent_id", Text),
    Column("created_by", Text, nullable=False, server_default=text("''")),
    Column("assigned_agent_id", Text),
    Column("progress", REAL),
    Column("progress_message", Text),
    Column("checkpoint", JSON),
    Column("created_at", instant, nullable=False, server_default=text("now()")),
    Column("assigned_at", instant),
    Column("started_at", instant),
    Column("finished_at", instant),
    Column("checkpoint_children", Integer),  # how many were submitted before it; NULL: none
    Column("workflow_key", Text),  # its key among the tasks of its workflow; NULL: it has none
    Column("suspension", JSONB),  # what it waits for while suspended, or waited for last; NULL: it never did
    Column("has_signals", Boolean),  # whether task_signals has rows of it; NULL: no
    Column("retry_afters", SmallInteger),  # pauses that cost no attempt since the last retry; NULL: none
    Column("checkpoint_signals", JSONB),  # by name, the number of the last one used before it; NULL: none
    Column("failed_before", Boolean),  # it was cancelled because a task before it failed; NULL: it was not
    Column("scheduled_for", instant),  # the fire time for which a schedule submitted it; NULL: none did
    Column("predicted_seconds", REAL),  # its typical run time when it was submitted; NULL: nothing was known
    Column("predicted_low", REAL),  # of the 80 % interval
    Column("predicted_high", REAL),
    Column("head_start", Double),  # in seconds, under the policy `learned`; NULL: none
    Column("size", Text),  # of its input, as it is predicted by; NULL: not known
    Column("hedged", Integer),  # the number of its last second attempt; NULL: it had none
    Column("hedge_agent_id", Text),  # who has that one; NULL: nobody any more
    Column("predicted_mean", REAL),  # of its run time, for sums of work; NULL: nothing was known, or an older process
    CheckConstraint(f"state IN ({listed(TaskState)})", name="tasks_state_known"),
    CheckConstraint(f"priority BETWEEN {min(Priority)} AND {max(Priority)}", name="tasks_priority_known"),
    CheckConstraint(f"(state IN ({listed(TERMINAL)})) = (finished_at IS NOT NULL)", name="tasks_finished_has_time"),
    CheckConstraint(
        f"state NOT IN ({listed(CLAIMED)}) OR (assigned_agent_id IS NOT NULL AND assigned_at IS NOT NULL)",
        name="tasks_claimed_has_agent",
    ),
    CheckConstraint("state <> 'in_progress' OR started_at IS NOT NULL", name="tasks_running_has_start"),
    CheckConstraint("state <> 'scheduled' OR run_at IS NOT NULL", name="tasks_scheduled_has_time"),
    CheckConstraint(
        "(state = 'blocked') = (waiting_on > 0) OR finished_at IS NOT NULL OR state = 'suspended'",
        name="tasks_blocked_waits",
    ),
    CheckConstraint("state <> 'suspended' OR suspension IS NOT NULL", name="tasks_suspended_says_why"),
    CheckConstraint("state <> 'failed' OR error IS NOT NULL", name="tasks_failed_has_error"),
    CheckConstraint("failed_before IS NULL OR state = 'cancelled'", name="tasks_failed_before_is_cancelled"),
    CheckConstraint("refunded BETWEEN 0 AND attempt", name="tasks_refunds_bounded"),
    CheckConstraint("(idempotency_key IS NULL) = (content_hash IS NULL)", name="tasks_key_has_hash"),
    # room for the claim's new row version on the same page
    postgresql_with={"fillfactor": "80", "autovacuum_vacuum_scale_factor": "0.02"},
)
Index(
    "tasks_idempotency_key",
    tasks.c.idempotency_key,
    unique=True,
    postgresql_where=text("idempotency_key IS NOT NULL"),
)
Index("tasks_open", tasks.c.id, postgresql_where=text("finished_at IS NULL"))
Index("tasks_finished_at", tasks.c.finished_at, postgresql_using="brin")
Index(
    "tasks_errors",
    text("(error ->> 'fingerprint')"),
    tasks.c.id,
    postgresql_where=text("error IS NOT NULL"),
)
# in other words than above: with the same ones PostgreSQL may take this index for a fingerprint, and read all of it
Index("tasks_with_error", tasks.c.id, postgresql_where=text("num_nonnulls(error) = 1"))
Index("tasks_short_id", func.right(tasks.c.id.cast(Text), 12))
Index("tasks_workflow", tasks.c.workflow_id, postgresql_where=text("workflow_id IS NOT NULL"))
Index(
    "tasks_workflow_open",
    tasks.c.workflow_id,
    postgresql_where=text("workflow_id IS NOT NULL AND finished_at IS NULL"),
)

# The audit log: append-only, one partition a day and a default one.
task_events = Table(
    "task_events",
    metadata,
    Column("task_id", UUID(as_uuid=False)),  # NULL: an operator's action on something else than a task
    Column("at", instant, nullable=False, server_default=text("now()")),
    Column("event", Text, nullable=False),
    Column("from_state", Text),
    Column("to_state", Text),
    Column("attempt", Integer),
    Column("actor", Text, nullable=False),
    Column("agent_id", Text),
    Column("detail", JSONB),
    # Only of counted events (see core.postgres.store.history): submissions, and the ends of attempts and tasks.
    Column("queue", Text),
    Column("type", Text),
    Column("wait_seconds", REAL),  # from ready to started
    Column("run_seconds", REAL),
    Column("total_seconds", REAL),  # from submitted to the task's end
    Column("cpu_seconds", REAL),
    Column("peak_memory_bytes", BigInteger),
    postgresql_partition_by="RANGE (at)",
)
# two indexes that share no row: a task's history costs the same however long its log is
Index("task_events_history", task_events.c.task_id, postgresql_where=text("event <> 'log'"))
# a task's log in its order, and nothing that a transition writes
Index("task_events_log", task_events.c.task_id, task_events.c.at, postgresql_where=text("event = 'log'"))
Index("task_events_at", task_events.c.at, postgresql_using="brin", postgresql_with={"pages_per_range": "32"})
# users' actions, among many more events of the engine
Index(
    "task_events_operators",
    task_events.c.at,
    postgresql_where=text("task_id IS NULL OR event IN ('cancelled', 'reprioritised', 'retried')"),
)
agents = Table(
    "agents",
    metadata,
    Column("id", Text, primary_key=True),  # name:boot
    Column("name", Text, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("types", ARRAY(Text), nullable=False),
    Column("tags", ARRAY(Text), nullable=False),
    Column("max_concurrency", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("registered_at", instant, nullable=False, server_default=text("now()")),
    Column("left_at", instant),
    Column("known_types", JSONB),  # a list of core.protocol.KnownType; NULL: not declared
    Column("agent_class", Text, nullable=False, server_default=text("''")),  # a user's; empty: the shipped one
    Column("version", Integer),  # of core.protocol; NULL: registered with a leader that did not store it
    CheckConstraint("state IN ('online', 'draining', 'left', 'lost')", name="agents_state_known"),
    CheckConstraint("(state IN ('left', 'lost')) = (left_at IS NOT NULL)", name="agents_left_has_time"),
)
Index("agents_name", agents.c.name)

# Holds of operators.
holds = Table(
    "holds",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("mode", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("since", instant, nullable=False, server_default=text("now()")),
    CheckConstraint(f"kind IN ({listed(HoldKind)})", name="holds_kind_known"),
    CheckConstraint(f"mode IN ({listed(HoldMode)})", name="holds_mode_known"),
)

# How many agents of a kind run, where somebody chose another number than the pool file has.
pool_sizes = Table(
    "pool_sizes",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("since", instant, nullable=False, server_default=text("now()")),
    CheckConstraint(f"count BETWEEN 0 AND {MAX_AGENTS}", name="pool_sizes_count_bounded"),
)

# Reports of agents that are newer than the leader, for one that understands them (worker/dispatch/kept_reports.py).
kept_reports = Table(
    "kept_reports",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kept_at", instant, nullable=False, server_default=text("now()")),
    Column("version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sender", Text),  # the agent whose own results brought it; NULL: those that all agents share
    Column("agent_id", Text, nullable=False),
    Column("pairs", JSONB, nullable=False),  # [task id, attempt] of all that it names
    Column("reason", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    UniqueConstraint("digest", name="kept_reports_once"),
)

# One row: the oldest revision whose release works with this schema; a migration that takes something away says another.
schema_reach = Table(
    "schema_reach",
    metadata,
    Column("singleton", SmallInteger, primary_key=True, autoincrement=False, server_default=text("1")),
    Column("oldest_revision", Text, nullable=False),
    CheckConstraint("singleton = 1", name="schema_reach_one_row"),
)

# One row: the leader's term. A statement that must not outlive the term compares its epoch.
leadership = Table(
    "leadership",
    metadata,
    Column("singleton", SmallInteger, primary_key=True, autoincrement=False, server_default=text("1")),
    Column("epoch", BigInteger, nullable=False),
    Column("worker", Text, nullable=False),
    Column("since", instant, nullable=False),
    CheckConstraint("singleton = 1", name="leadership_one_row"),
)

# Filters of core.filters.search_filter that operators saved under a name.
saved_filters = Table(
    "saved_filters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("filter", JSONB, nullable=False),
    Column("actor", Text, nullable=False),
    Column("saved_at", instant, nullable=False, server_default=text("now()")),
)
