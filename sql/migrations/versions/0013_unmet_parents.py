"""What a cancelled task still waited for, so that a retry does not run it without."""

from alembic import op

revision = "0013"
down_revision = "0008"


def upgrade() -> None:
    op.execute("ALTER TABLE tasks ADD COLUMN unmet_parents uuid[]")


def downgrade() -> None:
    op.execute("ALTER TABLE tasks DROP COLUMN unmet_parents")
