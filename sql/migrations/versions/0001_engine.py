"""The engine: tasks, their dependencies and events, agents, leadership."""

from alembic import op

revision = "0001"
down_revision = None

TASKS = """
CREATE TABLE tasks (
    id uuid PRIMARY KEY,
    queue text NOT NULL,
    type text NOT NULL,
    title text,
    state text NOT NULL,
    priority smallint NOT NULL,
    input jsonb NOT NULL,
    output jsonb,
    error jsonb,
    requires text[] NOT NULL DEFAULT '{}',
    attempt integer NOT NULL DEFAULT 0,
    refunded integer NOT NULL DEFAULT 0,
    refunds smallint NOT NULL DEFAULT 0,
    max_attempts smallint NOT NULL,
    timeout_seconds double precision NOT NULL,
    run_at timestamptz,
    ready_at timestamptz NOT NULL,
    idempotency_key text,
    content_hash text,
    workflow_id uuid,
    waiting_on integer NOT NULL DEFAULT 0,
    creator_agent_id text,
    created_by text NOT NULL DEFAULT '',
    assigned_agent_id text,
    progress real,
    progress_message text,
    checkpoint jsonb,
    created_at timestamptz NOT NULL,
    assigned_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    CONSTRAINT tasks_state_known CHECK (state IN ('assigned', 'blocked', 'cancelled', 'completed', 'failed',
        'in_progress', 'pending', 'scheduled')),
    CONSTRAINT tasks_priority_known CHECK (priority BETWEEN 0 AND 3),
    CONSTRAINT tasks_finished_has_time
        CHECK ((state IN ('cancelled', 'completed', 'failed')) = (finished_at IS NOT NULL)),
    CONSTRAINT tasks_claimed_has_agent CHECK (state NOT IN ('assigned', 'in_progress')
        OR (assigned_agent_id IS NOT NULL AND assigned_at IS NOT NULL)),
    CONSTRAINT tasks_running_has_start CHECK (state <> 'in_progress' OR started_at IS NOT NULL),
    CONSTRAINT tasks_scheduled_has_time CHECK (state <> 'scheduled' OR run_at IS NOT NULL),
    CONSTRAINT tasks_blocked_waits CHECK ((state = 'blocked') = (waiting_on > 0) OR finished_at IS NOT NULL),
    CONSTRAINT tasks_failed_has_error CHECK (state <> 'failed' OR error IS NOT NULL),
    CONSTRAINT tasks_refunds_bounded CHECK (refunded BETWEEN 0 AND attempt),
    CONSTRAINT tasks_key_has_hash CHECK ((idempotency_key IS NULL) = (content_hash IS NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02)
"""

STATEMENTS = (
    TASKS,
    "CREATE UNIQUE INDEX tasks_idempotency_key ON tasks (idempotency_key) WHERE idempotency_key IS NOT NULL",
    "CREATE INDEX tasks_open ON tasks (id) WHERE finished_at IS NULL",
    "CREATE INDEX tasks_finished_at ON tasks USING brin (finished_at)",
    "CREATE INDEX tasks_workflow ON tasks (workflow_id) WHERE workflow_id IS NOT NULL",
    """
    CREATE TABLE task_dependencies (
        parent_id uuid NOT NULL,
        child_id uuid NOT NULL,
        PRIMARY KEY (parent_id, child_id)
    )
    """,
    """
    CREATE TABLE task_events (
        task_id uuid,
        at timestamptz NOT NULL DEFAULT now(),
        event text NOT NULL,
        from_state text,
        to_state text,
        attempt integer,
        actor text NOT NULL,
        agent_id text,
        detail jsonb
    ) PARTITION BY RANGE (at)
    """,
    "CREATE TABLE task_events_default PARTITION OF task_events DEFAULT",
    "CREATE INDEX task_events_task ON task_events (task_id)",
    """
    CREATE TABLE agents (
        id text PRIMARY KEY,
        name text NOT NULL,
        boot_id text NOT NULL,
        kind text NOT NULL,
        host text NOT NULL,
        pid integer NOT NULL,
        types text[] NOT NULL,
        tags text[] NOT NULL,
        max_concurrency integer NOT NULL,
        state text NOT NULL,
        registered_at timestamptz NOT NULL DEFAULT now(),
        left_at timestamptz,
        CONSTRAINT agents_state_known CHECK (state IN ('online', 'draining', 'left', 'lost')),
        CONSTRAINT agents_left_has_time CHECK ((state IN ('left', 'lost')) = (left_at IS NOT NULL))
    )
    """,
    "CREATE INDEX agents_name ON agents (name)",
    """
    CREATE TABLE leadership (
        singleton smallint PRIMARY KEY DEFAULT 1,
        epoch bigint NOT NULL,
        worker text NOT NULL,
        since timestamptz NOT NULL,
        CONSTRAINT leadership_one_row CHECK (singleton = 1)
    )
    """,
    "INSERT INTO leadership (epoch, worker, since) VALUES (0, '', now())",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE leadership, agents, task_events, task_dependencies, tasks")
