"""Principals with roles, their tokens, and to which principal a session belongs.

Processes of an older release go on to write sessions without a principal and a role, and read `permissions` alone.
"""

from alembic import op

revision = "0016"
down_revision = "0015"

STATEMENTS = (
    """
    CREATE TABLE principals (
        id uuid PRIMARY KEY,
        kind text NOT NULL,
        name text NOT NULL UNIQUE,
        role text NOT NULL,
        queues text[] NOT NULL DEFAULT '{*}',
        types text[] NOT NULL DEFAULT '{*}',
        password_hash text,
        disabled_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        CONSTRAINT principals_kind_known CHECK (kind IN ('agent', 'person', 'service')),
        CONSTRAINT principals_role_known CHECK (role IN ('admin', 'operator', 'submitter', 'viewer')),
        CONSTRAINT principals_password_of_person CHECK (password_hash IS NULL OR kind = 'person')
    )
    """,
    """
    CREATE TABLE tokens (
        id text PRIMARY KEY,
        principal_id uuid NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
        secret_hash bytea NOT NULL,
        note text NOT NULL DEFAULT '',
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        expires_at timestamptz NOT NULL,
        last_used_at timestamptz,
        revoked_at timestamptz,
        CONSTRAINT tokens_hash_whole CHECK (octet_length(secret_hash) = 32)
    )
    """,
    "CREATE INDEX tokens_of_principal ON tokens (principal_id)",
    """
    ALTER TABLE sessions
        ADD COLUMN principal_id uuid REFERENCES principals (id) ON DELETE CASCADE,
        ADD COLUMN role text
    """,
    "CREATE INDEX sessions_of_principal ON sessions (principal_id)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DELETE FROM sessions WHERE principal_id IS NOT NULL")  # nobody could end them any more
    op.execute("ALTER TABLE sessions DROP COLUMN principal_id, DROP COLUMN role")
    for table in ("tokens", "principals"):
        op.execute(f"DROP TABLE {table}")
