"""The class of an agent that is not the shipped one."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.execute("ALTER TABLE agents ADD COLUMN agent_class text NOT NULL DEFAULT ''")


def downgrade() -> None:
    op.execute("ALTER TABLE agents DROP COLUMN agent_class")
