"""Webhooks with their deliveries and the place up to which the audit log was read for them, and inbound hooks.

Only new tables: processes of an older release do not know them.
"""

from alembic import op

revision = "0018"
down_revision = "0017"

STATEMENTS = (
    """
    CREATE TABLE webhooks (
        id uuid PRIMARY KEY,
        name text NOT NULL UNIQUE,
        url text NOT NULL,
        queues text[] NOT NULL DEFAULT '{*}',
        types text[] NOT NULL DEFAULT '{*}',
        outcomes text[] NOT NULL,
        has_output boolean NOT NULL DEFAULT false,
        secret text NOT NULL,
        former_secret text,
        former_until timestamptz,
        from_transaction bigint NOT NULL,
        disabled_at timestamptz,
        disabled_by text,
        disabled_because text,
        failing_since timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        CONSTRAINT webhooks_former_has_end CHECK ((former_secret IS NULL) = (former_until IS NULL)),
        CONSTRAINT webhooks_disabled_by_somebody CHECK ((disabled_at IS NULL) = (disabled_by IS NULL))
    )
    """,
    """
    CREATE TABLE webhook_deliveries (
        id uuid PRIMARY KEY,
        webhook_id uuid NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
        event text NOT NULL,
        task_id uuid,
        body jsonb NOT NULL,
        state text NOT NULL DEFAULT 'pending',
        attempts integer NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL DEFAULT now(),
        due_at timestamptz NOT NULL DEFAULT now(),
        give_up_at timestamptz NOT NULL,
        tried_at timestamptz,
        status integer,
        answer text,
        CONSTRAINT webhook_deliveries_state_known CHECK (state IN ('delivered', 'failed', 'pending'))
    )
    """,
    """
    CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, due_at) WHERE state = 'pending'
    """,
    "CREATE INDEX webhook_deliveries_of_webhook ON webhook_deliveries (webhook_id, id)",
    """
    CREATE TABLE webhook_feed (
        singleton smallint PRIMARY KEY DEFAULT 1,
        transaction bigint NOT NULL,
        since timestamptz NOT NULL,
        CONSTRAINT webhook_feed_one_row CHECK (singleton = 1)
    )
    """,
    """
    CREATE TABLE hooks (
        id uuid PRIMARY KEY,
        name text NOT NULL UNIQUE,
        scheme text NOT NULL,
        secret text NOT NULL,
        former_secret text,
        former_until timestamptz,
        type text NOT NULL,
        queue text NOT NULL,
        priority text NOT NULL,
        template jsonb NOT NULL,
        events text[] NOT NULL DEFAULT '{*}',
        may_run_code boolean NOT NULL,
        disabled_at timestamptz,
        used_at timestamptz,
        refused_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        CONSTRAINT hooks_scheme_known CHECK (scheme IN ('github', 'standard', 'stripe')),
        CONSTRAINT hooks_former_has_end CHECK ((former_secret IS NULL) = (former_until IS NULL))
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in ("hooks", "webhook_feed", "webhook_deliveries", "webhooks"):
        op.execute(f"DROP TABLE {table}")
