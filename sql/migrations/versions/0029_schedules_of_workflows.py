"""Schedules submit workflows, too; reasons of fire times are kept with what they were made of.

A workflow is submitted outside the tick, which records its fire time as due.
"""

from alembic import op

revision = "0029"
down_revision = "0028"

STATEMENTS = (
    """
    ALTER TABLE schedules ADD COLUMN kind text NOT NULL DEFAULT 'task',
        ADD CONSTRAINT schedules_kind_known CHECK (kind IN ('task', 'workflow'))
    """,
    """
    ALTER TABLE schedule_fires ADD COLUMN workflow_id uuid, ADD COLUMN submit_at timestamptz,
        ADD COLUMN reason_message jsonb,
        DROP CONSTRAINT schedule_fires_outcome_known,
        DROP CONSTRAINT schedule_fires_submitted_has_task,
        ADD CONSTRAINT schedule_fires_outcome_known
            CHECK (outcome IN ('due', 'missed', 'refused', 'replaced', 'skipped', 'submitted')),
        ADD CONSTRAINT schedule_fires_submitted_has_id
            CHECK (outcome NOT IN ('due', 'submitted') OR num_nonnulls(task_id, workflow_id) = 1),
        ADD CONSTRAINT schedule_fires_due_has_time CHECK ((outcome = 'due') = (submit_at IS NOT NULL))
    """,
    """
    CREATE INDEX schedule_fires_with_workflow ON schedule_fires (schedule_id, fire_time) WHERE workflow_id IS NOT NULL
    """,
    "CREATE INDEX schedule_fires_workflow ON schedule_fires (workflow_id) WHERE workflow_id IS NOT NULL",
    "CREATE INDEX schedule_fires_due ON schedule_fires (submit_at) WHERE outcome = 'due'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DELETE FROM schedules WHERE kind = 'workflow'")
    op.execute("DELETE FROM schedule_fires WHERE workflow_id IS NOT NULL")
    op.execute("ALTER TABLE schedules DROP COLUMN kind")
    op.execute(
        """
        ALTER TABLE schedule_fires DROP CONSTRAINT schedule_fires_due_has_time,
            DROP CONSTRAINT schedule_fires_submitted_has_id, DROP CONSTRAINT schedule_fires_outcome_known,
            DROP COLUMN workflow_id, DROP COLUMN submit_at, DROP COLUMN reason_message,
            ADD CONSTRAINT schedule_fires_outcome_known
                CHECK (outcome IN ('missed', 'refused', 'replaced', 'skipped', 'submitted')),
            ADD CONSTRAINT schedule_fires_submitted_has_task CHECK (outcome <> 'submitted' OR task_id IS NOT NULL)
        """
    )
