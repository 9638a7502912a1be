"""What two releases that run side by side need: versions of agents, reports that are kept, and who may use the schema.

Only additions. Processes of an older release do not know them.
"""

from alembic import op

revision = "0032"
down_revision = "0031"

STATEMENTS = (
    "ALTER TABLE agents ADD COLUMN version integer",  # NULL: registered with a leader that did not store it
    """
    CREATE TABLE kept_reports (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kept_at timestamptz NOT NULL DEFAULT now(),
        version integer NOT NULL,
        kind text NOT NULL,
        sender text,
        agent_id text NOT NULL,
        pairs jsonb NOT NULL,
        reason text NOT NULL,
        body bytea NOT NULL,
        digest bytea NOT NULL,
        CONSTRAINT kept_reports_once UNIQUE (digest)
    )
    """,
    """
    CREATE TABLE schema_reach (
        singleton smallint PRIMARY KEY DEFAULT 1,
        oldest_revision text NOT NULL,
        CONSTRAINT schema_reach_one_row CHECK (singleton = 1)
    )
    """,
    # the last release before this one goes on with this schema; a later one than that writes its own line here
    "INSERT INTO schema_reach (oldest_revision) VALUES ('0031')",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE schema_reach")
    op.execute("DROP TABLE kept_reports")
    op.execute("ALTER TABLE agents DROP COLUMN version")
