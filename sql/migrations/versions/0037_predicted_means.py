"""Means of predicted run times: sums of work need them, while what is shown is the median.

Only additions. Processes of an older release store none; there the predicted run time stands in.
"""

from alembic import op

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    op.execute("ALTER TABLE tasks ADD COLUMN predicted_mean real")


def downgrade() -> None:
    op.execute("ALTER TABLE tasks DROP COLUMN predicted_mean")
