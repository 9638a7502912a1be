"""What a token opens: the API, or for an agent's own credentials Redis.

Processes of an older release make tokens for the API only, and find no other by what they look for: the hash of a
part of the text, where for Redis it is that of the whole password.
"""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.execute("ALTER TABLE tokens ADD COLUMN opens text NOT NULL DEFAULT 'api'")
    op.execute("ALTER TABLE tokens ADD CONSTRAINT tokens_opens_known CHECK (opens IN ('api', 'redis'))")


def downgrade() -> None:
    op.execute("DELETE FROM tokens WHERE opens <> 'api'")
    op.execute("ALTER TABLE tokens DROP COLUMN opens")
