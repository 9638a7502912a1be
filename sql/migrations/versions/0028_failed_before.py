"""Notes which cancelled tasks did not run because a task before them failed.

To a task that starts when its parent has failed, such a parent has failed, too.
"""

from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE tasks
            ADD COLUMN failed_before boolean,
            ADD CONSTRAINT tasks_failed_before_is_cancelled
                CHECK (failed_before IS NULL OR state = 'cancelled') NOT VALID
    """)
    op.execute("ALTER TABLE tasks VALIDATE CONSTRAINT tasks_failed_before_is_cancelled")
    op.execute("""
        CREATE OR REPLACE VIEW unmet_parents AS
        SELECT d.child_id, d.parent_id, d.condition, d.state
        FROM (
            SELECT e.child_id, e.parent_id, e.condition, p.state, p.failed_before
            FROM task_dependencies e LEFT JOIN LATERAL (
                SELECT t.state, t.failed_before FROM tasks t WHERE t.id = e.parent_id
            ) p ON true
            WHERE e.kind = 'after' AND e.met_at IS NULL
        ) d
        WHERE d.state IS NULL OR CASE WHEN d.failed_before THEN 'failed' ELSE d.state END <> ALL(CASE d.condition
            WHEN 'ended' THEN '{completed,failed,cancelled}'::text[] ELSE ARRAY[d.condition] END)
    """)


def downgrade() -> None:
    op.execute("""
        CREATE OR REPLACE VIEW unmet_parents AS
        SELECT d.child_id, d.parent_id, d.condition, d.state
        FROM (
            SELECT e.child_id, e.parent_id, e.condition, (SELECT p.state FROM tasks p WHERE p.id = e.parent_id) AS state
            FROM task_dependencies e WHERE e.kind = 'after' AND e.met_at IS NULL
        ) d
        WHERE d.state IS NULL OR d.state <> ALL(CASE d.condition
            WHEN 'ended' THEN '{completed,failed,cancelled}'::text[] ELSE ARRAY[d.condition] END)
    """)
    op.execute("ALTER TABLE tasks DROP COLUMN failed_before")
