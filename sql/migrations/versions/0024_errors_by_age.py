"""The index of tasks with errors says so in other words than that of fingerprints.

With the same words PostgreSQL may take either for a fingerprint: it read all tasks with errors, in the order of their
ids, as it believes them to be side by side. Processes of an older release look for failed tasks without this index,
slower, until they have been replaced.
"""

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.execute("DROP INDEX tasks_with_error")
    op.execute("CREATE INDEX tasks_with_error ON tasks (id) WHERE num_nonnulls(error) = 1")


def downgrade() -> None:
    op.execute("DROP INDEX tasks_with_error")
    op.execute("CREATE INDEX tasks_with_error ON tasks (id) WHERE error IS NOT NULL")
