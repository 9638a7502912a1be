"""Holds on queues, task types and agents; children are found by their own index."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    """
    CREATE TABLE holds (
        kind text NOT NULL,
        name text NOT NULL,
        mode text NOT NULL,
        actor text NOT NULL,
        reason text NOT NULL DEFAULT '',
        since timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (kind, name),
        CONSTRAINT holds_kind_known CHECK (kind IN ('agent', 'queue', 'type')),
        CONSTRAINT holds_mode_known CHECK (mode IN ('draining', 'paused'))
    )
    """,
    "CREATE INDEX task_dependencies_child ON task_dependencies (child_id)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX task_dependencies_child")
    op.execute("DROP TABLE holds")
