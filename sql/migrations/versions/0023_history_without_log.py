"""A task's history is found without its log, however long that is: each event is in one index of tasks, not in two.

Processes of an older release ask for the same events, which the new index has, too. What they ask of the audit log by
a task without naming events is slower until they have been replaced.
"""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.execute("CREATE INDEX task_events_history ON task_events (task_id) WHERE event <> 'log'")
    op.execute("DROP INDEX task_events_task")


def downgrade() -> None:
    op.execute("CREATE INDEX task_events_task ON task_events (task_id)")
    op.execute("DROP INDEX task_events_history")
