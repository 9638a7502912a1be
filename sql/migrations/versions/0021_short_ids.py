"""Tasks are found by the end of their id, which is what pages and the command line show of it.

Processes of an older release know nothing of the index, and need nothing of it.
"""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.execute("CREATE INDEX tasks_short_id ON tasks (right(id::text, 12))")


def downgrade() -> None:
    op.execute("DROP INDEX tasks_short_id")
