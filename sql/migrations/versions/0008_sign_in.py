"""Links that sign a browser in, and sessions of browsers that came by one: of both only the hash of the secret."""

from alembic import op

revision = "0008"
down_revision = "0007"

STATEMENTS = (
    """
    CREATE TABLE sign_in_links (
        key_hash bytea PRIMARY KEY,
        made_by text NOT NULL,
        made_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        CONSTRAINT sign_in_links_hash_whole CHECK (octet_length(key_hash) = 32)
    )
    """,
    """
    CREATE TABLE sessions (
        id_hash bytea PRIMARY KEY,
        who text NOT NULL,
        via text NOT NULL,
        permissions text[] NOT NULL,
        signed_in_at timestamptz NOT NULL DEFAULT now(),
        seen_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        CONSTRAINT sessions_hash_whole CHECK (octet_length(id_hash) = 32)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in ("sessions", "sign_in_links"):
        op.execute(f"DROP TABLE {table}")
