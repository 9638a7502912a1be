"""Second attempts beside stragglers: the number of a task's last one, and the agent that has it.

Only additions. Workers of an older release do not know them, and begin none.
"""

from alembic import op

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    op.execute("ALTER TABLE tasks ADD COLUMN hedged integer")
    op.execute("ALTER TABLE tasks ADD COLUMN hedge_agent_id text")


def downgrade() -> None:
    op.execute("ALTER TABLE tasks DROP COLUMN hedge_agent_id")
    op.execute("ALTER TABLE tasks DROP COLUMN hedged")
