"""Search: indexes for failed tasks, by group and by age, and for what people did; filters that they saved."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("CREATE INDEX tasks_errors ON tasks ((error ->> 'fingerprint'), id) WHERE error IS NOT NULL")
    op.execute("CREATE INDEX tasks_with_error ON tasks (id) WHERE error IS NOT NULL")
    op.execute(
        "CREATE INDEX task_events_operators ON task_events (at) "
        "WHERE task_id IS NULL OR event IN ('cancelled', 'reprioritised', 'retried')"
    )
    op.execute(
        """
        CREATE TABLE saved_filters (
            name text PRIMARY KEY,
            filter jsonb NOT NULL,
            actor text NOT NULL,
            saved_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE saved_filters")
    op.execute("DROP INDEX task_events_operators")
    op.execute("DROP INDEX tasks_with_error")
    op.execute("DROP INDEX tasks_errors")
