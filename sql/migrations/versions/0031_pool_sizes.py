"""How many agents of each kind run, where somebody chose another number than the pool file has.

Only a new table: processes of an older release do not know it.
"""

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE pool_sizes (
            kind text PRIMARY KEY,
            count integer NOT NULL,
            actor text NOT NULL,
            reason text NOT NULL DEFAULT '',
            since timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pool_sizes_count_bounded CHECK (count BETWEEN 0 AND 256)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE pool_sizes")
