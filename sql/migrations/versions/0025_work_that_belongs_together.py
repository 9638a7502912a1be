"""Edges that stay, workflows, inputs made of others' outputs, suspended tasks and signals.

A row of task_dependencies stays when its parent ends: `is_open` says that the child still waits for it. Parents that a
cancelled task still waited for become such rows, too; the view unmet_parents has what keeps a task from being retried.
Workers of an older release delete edges and know no suspended tasks: end them before this runs.
"""

from alembic import op

revision = "0025"
down_revision = "0024"

OLD_STATES = "'assigned', 'blocked', 'cancelled', 'completed', 'failed', 'in_progress', 'pending', 'scheduled'"
STATES = OLD_STATES + ", 'suspended'"

UP = (
    """
    ALTER TABLE task_dependencies
        ADD COLUMN condition text NOT NULL DEFAULT 'completed'
            CONSTRAINT task_dependencies_condition_known CHECK (condition IN ('completed', 'ended', 'failed')),
        ADD COLUMN kind text NOT NULL DEFAULT 'after'
            CONSTRAINT task_dependencies_kind_known CHECK (kind IN ('after', 'children')),
        ADD COLUMN is_open boolean NOT NULL DEFAULT true,
        ADD COLUMN met_at timestamptz,
        ADD CONSTRAINT task_dependencies_met_is_closed CHECK (NOT is_open OR met_at IS NULL)
    """,
    "CREATE INDEX task_dependencies_open ON task_dependencies (parent_id) WHERE is_open",
    """
    INSERT INTO task_dependencies (parent_id, child_id, is_open)
    SELECT u.id, t.id, false FROM tasks t CROSS JOIN LATERAL unnest(t.unmet_parents) AS u(id)
    WHERE t.unmet_parents IS NOT NULL
    ON CONFLICT DO NOTHING
    """,
    """
    CREATE VIEW unmet_parents AS
    SELECT d.child_id, d.parent_id, d.condition, d.state
    FROM (
        SELECT e.child_id, e.parent_id, e.condition, (SELECT p.state FROM tasks p WHERE p.id = e.parent_id) AS state
        FROM task_dependencies e WHERE e.kind = 'after' AND e.met_at IS NULL
    ) d
    WHERE d.state IS NULL OR d.state <> ALL(CASE d.condition
        WHEN 'ended' THEN '{completed,failed,cancelled}'::text[] ELSE ARRAY[d.condition] END)
    """,
    """
    ALTER TABLE tasks
        DROP COLUMN unmet_parents,
        ADD COLUMN workflow_key text,
        ADD COLUMN suspension jsonb,
        ADD COLUMN has_signals boolean,
        ADD COLUMN retry_afters smallint,
        ADD COLUMN checkpoint_signals jsonb,
        DROP CONSTRAINT tasks_state_known,
        DROP CONSTRAINT tasks_blocked_waits
    """,
    f"ALTER TABLE tasks ADD CONSTRAINT tasks_state_known CHECK (state IN ({STATES})) NOT VALID",
    """
    ALTER TABLE tasks ADD CONSTRAINT tasks_blocked_waits
        CHECK ((state = 'blocked') = (waiting_on > 0) OR finished_at IS NOT NULL OR state = 'suspended') NOT VALID
    """,
    """
    ALTER TABLE tasks ADD CONSTRAINT tasks_suspended_says_why
        CHECK (state <> 'suspended' OR suspension IS NOT NULL) NOT VALID
    """,
    "ALTER TABLE tasks VALIDATE CONSTRAINT tasks_state_known",
    "ALTER TABLE tasks VALIDATE CONSTRAINT tasks_blocked_waits",
    "ALTER TABLE tasks VALIDATE CONSTRAINT tasks_suspended_says_why",
    """
    CREATE INDEX tasks_workflow_open ON tasks (workflow_id) WHERE workflow_id IS NOT NULL AND finished_at IS NULL
    """,
    """
    CREATE TABLE workflows (
        id uuid PRIMARY KEY,
        kind text NOT NULL CONSTRAINT workflows_kind_known CHECK (kind IN ('group', 'workflow')),
        name text NOT NULL,
        title text,
        tasks integer NOT NULL,
        idempotency_key text,
        content_hash text,
        parent_task_id uuid,
        created_by text NOT NULL DEFAULT '',
        created_at timestamptz NOT NULL DEFAULT now(),
        cancelled_at timestamptz,
        ended_at timestamptz,
        state text,
        counts jsonb,
        CONSTRAINT workflows_key_has_hash CHECK ((idempotency_key IS NULL) = (content_hash IS NULL)),
        CONSTRAINT workflows_ended_has_state CHECK ((ended_at IS NULL) = (state IS NULL))
    )
    """,
    "CREATE UNIQUE INDEX workflows_idempotency_key ON workflows (idempotency_key) WHERE idempotency_key IS NOT NULL",
    "CREATE INDEX workflows_open ON workflows (id) WHERE ended_at IS NULL",
    "CREATE INDEX workflows_parent_task ON workflows (parent_task_id) WHERE parent_task_id IS NOT NULL",
    """
    CREATE TABLE task_inputs (
        task_id uuid PRIMARY KEY,
        template json NOT NULL,
        is_due boolean NOT NULL DEFAULT false,
        resolved_at timestamptz
    )
    """,
    "CREATE INDEX task_inputs_due ON task_inputs (task_id) WHERE is_due",
    """
    CREATE TABLE task_signals (
        task_id uuid NOT NULL,
        name text NOT NULL,
        signal_id text NOT NULL,
        number integer NOT NULL,
        kind text NOT NULL CONSTRAINT task_signals_kind_known CHECK (kind IN ('answer', 'signal', 'timeout')),
        data json,
        sent_by text NOT NULL DEFAULT '',
        sent_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (task_id, name, signal_id)
    )
    """,
)
DOWN = (
    "DROP TABLE task_signals, task_inputs, workflows",
    "DROP VIEW unmet_parents",
    "DROP INDEX tasks_workflow_open",
    """
    UPDATE tasks SET state = 'scheduled', run_at = coalesce(run_at, now()), waiting_on = 0 WHERE state = 'suspended'
    """,
    """
    ALTER TABLE tasks
        ADD COLUMN unmet_parents uuid[],
        DROP CONSTRAINT tasks_suspended_says_why,
        DROP CONSTRAINT tasks_state_known,
        DROP CONSTRAINT tasks_blocked_waits,
        DROP COLUMN workflow_key,
        DROP COLUMN suspension,
        DROP COLUMN has_signals,
        DROP COLUMN retry_afters,
        DROP COLUMN checkpoint_signals
    """,
    f"ALTER TABLE tasks ADD CONSTRAINT tasks_state_known CHECK (state IN ({OLD_STATES}))",
    """
    ALTER TABLE tasks ADD CONSTRAINT tasks_blocked_waits
        CHECK ((state = 'blocked') = (waiting_on > 0) OR finished_at IS NOT NULL)
    """,
    """
    UPDATE tasks t SET unmet_parents = (
        SELECT array_agg(d.parent_id) FROM task_dependencies d WHERE d.child_id = t.id AND d.met_at IS NULL
    )
    WHERE t.state = 'cancelled'
        AND EXISTS (SELECT FROM task_dependencies d WHERE d.child_id = t.id AND d.met_at IS NULL)
    """,
    "DELETE FROM task_dependencies WHERE NOT is_open OR kind = 'children'",
    "DROP INDEX task_dependencies_open",
    """
    ALTER TABLE task_dependencies
        DROP CONSTRAINT task_dependencies_met_is_closed,
        DROP COLUMN condition, DROP COLUMN kind, DROP COLUMN is_open, DROP COLUMN met_at
    """,
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
