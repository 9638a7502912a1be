"""A question that is asked again knows which answer its handler did not accept."""

from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    op.execute("ALTER TABLE questions ADD COLUMN refused json")


def downgrade() -> None:
    op.execute("ALTER TABLE questions DROP COLUMN refused")
