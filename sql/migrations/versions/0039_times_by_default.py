"""Times of new tasks by default: a COPY of many need not send, and the server not read, the same two for each row."""

from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    op.execute("ALTER TABLE tasks ALTER COLUMN created_at SET DEFAULT now(), ALTER COLUMN ready_at SET DEFAULT now()")


def downgrade() -> None:
    op.execute("ALTER TABLE tasks ALTER COLUMN created_at DROP DEFAULT, ALTER COLUMN ready_at DROP DEFAULT")
