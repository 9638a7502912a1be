"""Agents say which task types they know."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("ALTER TABLE agents ADD COLUMN known_types jsonb")


def downgrade() -> None:
    op.execute("ALTER TABLE agents DROP COLUMN known_types")
