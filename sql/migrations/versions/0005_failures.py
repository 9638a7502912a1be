"""Failures: groups by fingerprint, and how often each occurred."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    """
    CREATE TABLE failure_groups (
        fingerprint text PRIMARY KEY,
        type text NOT NULL,
        class text NOT NULL,
        message text NOT NULL,
        first_seen timestamptz NOT NULL,
        last_seen timestamptz NOT NULL,
        example_task_id uuid NOT NULL,
        muted_until timestamptz,
        muted_by text,
        mute_reason text,
        CONSTRAINT failure_groups_muted_by_somebody CHECK ((muted_until IS NULL) = (muted_by IS NULL))
    )
    """,
    "CREATE INDEX failure_groups_last_seen ON failure_groups (last_seen)",
    """
    CREATE TABLE failure_counts (
        level_seconds integer NOT NULL,
        at timestamptz NOT NULL,
        fingerprint text NOT NULL,
        agent text NOT NULL,
        attempts bigint NOT NULL,
        tasks bigint NOT NULL,
        PRIMARY KEY (level_seconds, at, fingerprint, agent)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in ("failure_counts", "failure_groups"):
        op.execute(f"DROP TABLE {table}")
