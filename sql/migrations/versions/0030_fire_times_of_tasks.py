"""A task knows for which fire time its schedule submitted it."""

from alembic import op

revision = "0030"
down_revision = "0029"

STATEMENTS = (
    "ALTER TABLE tasks ADD COLUMN scheduled_for timestamptz",
    # of those that may still run: a schedule's key ends with the fire time
    """
    UPDATE tasks SET scheduled_for = split_part(idempotency_key, '/', 2)::timestamptz
    WHERE finished_at IS NULL AND idempotency_key LIKE 'schedule:%/%'
    """,
    """
    UPDATE tasks t SET scheduled_for = split_part(w.idempotency_key, '/', 2)::timestamptz
    FROM workflows w
    WHERE w.ended_at IS NULL AND w.idempotency_key LIKE 'schedule:%/%' AND t.workflow_id = w.id
        AND t.workflow_key IS NOT NULL
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE tasks DROP COLUMN scheduled_for")
