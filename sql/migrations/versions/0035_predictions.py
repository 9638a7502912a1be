"""Predicted run times: with each task, what they are made of, and how well they hold.

Only additions. Processes of an older release do not know them: tasks that they submit have no prediction.
"""

from alembic import op

revision = "0035"
down_revision = "0034"

STATEMENTS = (
    # NULL: submitted without a prediction; `size` is what it was made for (see core.learning.keys)
    "ALTER TABLE tasks ADD COLUMN predicted_seconds real",
    "ALTER TABLE tasks ADD COLUMN predicted_low real",
    "ALTER TABLE tasks ADD COLUMN predicted_high real",
    "ALTER TABLE tasks ADD COLUMN head_start double precision",
    "ALTER TABLE tasks ADD COLUMN size text",
    """
    CREATE TABLE run_time_sketches (
        key text PRIMARY KEY,
        runs bigint NOT NULL,
        mean_seconds double precision NOT NULL,
        mean_runs double precision NOT NULL,
        weights jsonb NOT NULL,
        changed_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE prediction_hours (
        hour timestamptz NOT NULL,
        type text NOT NULL,
        tasks bigint NOT NULL,
        below bigint NOT NULL,
        above bigint NOT NULL,
        log_error double precision NOT NULL,
        log_bias double precision NOT NULL,
        places bigint[] NOT NULL,
        PRIMARY KEY (hour, type)
    )
    """,
    """
    CREATE TABLE agent_factors (
        agent text NOT NULL,
        type text NOT NULL,
        runs double precision NOT NULL,
        log_ratio double precision NOT NULL,
        variance double precision NOT NULL,
        attempts double precision NOT NULL,
        success double precision NOT NULL,
        changed_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (agent, type)
    )
    """,
    """
    CREATE TABLE policy_replays (
        at timestamptz NOT NULL,
        queue text NOT NULL,
        since timestamptz NOT NULL,
        until timestamptz NOT NULL,
        tasks bigint NOT NULL,
        acting text NOT NULL,
        policy text NOT NULL,
        is_trusted boolean NOT NULL,
        has_waited boolean NOT NULL,
        figures jsonb NOT NULL,
        PRIMARY KEY (queue, at)
    )
    """,
    """
    CREATE TABLE learning_state (
        name text PRIMARY KEY,
        value jsonb NOT NULL,
        changed_at timestamptz NOT NULL DEFAULT now()
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in ("learning_state", "policy_replays", "agent_factors", "prediction_hours", "run_time_sketches"):
        op.execute(f"DROP TABLE {table}")
    for column in ("size", "head_start", "predicted_high", "predicted_low", "predicted_seconds"):
        op.execute(f"ALTER TABLE tasks DROP COLUMN {column}")
