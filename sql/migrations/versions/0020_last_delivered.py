"""When a message of a webhook arrived last.

Processes of an older release neither read nor write it: what they deliver meanwhile is not noted here.
"""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.execute("ALTER TABLE webhooks ADD COLUMN last_delivered_at timestamptz")
    op.execute(
        """
        UPDATE webhooks w SET last_delivered_at = (
            SELECT max(d.tried_at) FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.state = 'delivered'
        )
        """
    )


def downgrade() -> None:
    op.execute("ALTER TABLE webhooks DROP COLUMN last_delivered_at")
