"""The monitor: what an attempt used, roll-ups, samples, alerts and their silences."""

from alembic import op

revision = "0003"
down_revision = "0002"

EVENT_COLUMNS = {
    "queue": "text",
    "type": "text",
    "wait_seconds": "real",
    "run_seconds": "real",
    "total_seconds": "real",
    "cpu_seconds": "real",
    "peak_memory_bytes": "bigint",
}
STATEMENTS = (
    "ALTER TABLE task_events " + ", ".join(f"ADD COLUMN {name} {kind}" for name, kind in EVENT_COLUMNS.items()),
    "CREATE INDEX task_events_at ON task_events USING brin (at) WITH (pages_per_range = 32)",
    """
    CREATE TABLE metric_counts (
        level_seconds integer NOT NULL,
        at timestamptz NOT NULL,
        queue text NOT NULL,
        type text NOT NULL,
        agent text NOT NULL,
        submitted bigint NOT NULL DEFAULT 0,
        completed bigint NOT NULL DEFAULT 0,
        failed bigint NOT NULL DEFAULT 0,
        retried bigint NOT NULL DEFAULT 0,
        timed_out bigint NOT NULL DEFAULT 0,
        cancelled bigint NOT NULL DEFAULT 0,
        failures jsonb NOT NULL DEFAULT '{}',
        wait_seconds double precision NOT NULL DEFAULT 0,
        wait_buckets integer[] NOT NULL DEFAULT '{}',
        wait_counts bigint[] NOT NULL DEFAULT '{}',
        run_seconds double precision NOT NULL DEFAULT 0,
        run_buckets integer[] NOT NULL DEFAULT '{}',
        run_counts bigint[] NOT NULL DEFAULT '{}',
        total_seconds double precision NOT NULL DEFAULT 0,
        total_buckets integer[] NOT NULL DEFAULT '{}',
        total_counts bigint[] NOT NULL DEFAULT '{}',
        cpu_seconds double precision NOT NULL DEFAULT 0,
        peak_memory_bytes bigint,
        PRIMARY KEY (level_seconds, at, queue, type, agent)
    )
    """,
    """
    CREATE TABLE metric_progress (
        level_seconds integer PRIMARY KEY,
        rolled_to timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE metric_samples (
        level_seconds integer NOT NULL,
        at timestamptz NOT NULL,
        source text NOT NULL,
        name text NOT NULL,
        metric text NOT NULL,
        count bigint NOT NULL,
        total double precision NOT NULL,
        least double precision NOT NULL,
        most double precision NOT NULL,
        PRIMARY KEY (level_seconds, at, source, name, metric)
    )
    """,
    """
    CREATE TABLE alerts (
        id uuid PRIMARY KEY,
        rule text NOT NULL,
        subject text NOT NULL,
        severity text NOT NULL,
        state text NOT NULL,
        message text NOT NULL,
        value double precision,
        threshold double precision,
        fired_at timestamptz NOT NULL,
        acknowledged_at timestamptz,
        acknowledged_by text,
        resolved_at timestamptz,
        CONSTRAINT alerts_acknowledged_has_time CHECK (state <> 'acknowledged' OR acknowledged_at IS NOT NULL),
        CONSTRAINT alerts_resolved_has_time CHECK ((state = 'resolved') = (resolved_at IS NOT NULL)),
        CONSTRAINT alerts_severity_known CHECK (severity IN ('critical', 'info', 'warning')),
        CONSTRAINT alerts_state_known CHECK (state IN ('acknowledged', 'firing', 'resolved'))
    )
    """,
    "CREATE UNIQUE INDEX alerts_open ON alerts (rule, subject) WHERE resolved_at IS NULL",
    "CREATE INDEX alerts_fired_at ON alerts (fired_at)",
    """
    CREATE TABLE alert_silences (
        id uuid PRIMARY KEY,
        rule text NOT NULL,
        subject text NOT NULL,
        until timestamptz NOT NULL,
        actor text NOT NULL,
        reason text NOT NULL DEFAULT '',
        since timestamptz NOT NULL DEFAULT now()
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in ("alert_silences", "alerts", "metric_samples", "metric_progress", "metric_counts"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP INDEX task_events_at")
    op.execute("ALTER TABLE task_events " + ", ".join(f"DROP COLUMN {name}" for name in EVENT_COLUMNS))
