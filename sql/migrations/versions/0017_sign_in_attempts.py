"""Failed attempts to sign in, by account and by address, so that the next ones wait."""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE sign_in_attempts (
            subject text PRIMARY KEY,
            failures integer NOT NULL,
            failed_at timestamptz NOT NULL,
            wait_until timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX sign_in_attempts_by_age ON sign_in_attempts (failed_at)")


def downgrade() -> None:
    op.execute("DROP TABLE sign_in_attempts")
