"""Tasks' logs are read in their order, a page at a time, however long they are.

Processes of an older release know nothing of the index, and need nothing of it. Rows of other events are not in it.
"""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.execute("CREATE INDEX task_events_log ON task_events (task_id, at) WHERE event = 'log'")


def downgrade() -> None:
    op.execute("DROP INDEX task_events_log")
