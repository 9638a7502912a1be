"""Schedules, and what became of each of their fire times.

Only new tables: processes of an older release do not know them.
"""

from alembic import op

revision = "0026"
down_revision = "0025"

STATEMENTS = (
    """
    CREATE TABLE schedules (
        id uuid PRIMARY KEY,
        name text NOT NULL UNIQUE,
        cron text,
        interval_seconds double precision,
        time_zone text NOT NULL,
        what json NOT NULL,
        is_enabled boolean NOT NULL DEFAULT true,
        catch_up text NOT NULL,
        catch_up_limit smallint NOT NULL,
        overlap text NOT NULL,
        jitter_seconds double precision NOT NULL DEFAULT 0,
        starts_at timestamptz,
        ends_at timestamptz,
        expected_seconds double precision,
        owner text NOT NULL DEFAULT '',
        may_run_code boolean NOT NULL,
        anchor_at timestamptz NOT NULL,
        next_fire_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        CONSTRAINT schedules_cron_or_interval CHECK (num_nonnulls(cron, interval_seconds) = 1),
        CONSTRAINT schedules_paused_does_not_fire CHECK (is_enabled OR next_fire_at IS NULL),
        CONSTRAINT schedules_catch_up_known CHECK (catch_up IN ('all', 'last', 'none')),
        CONSTRAINT schedules_overlap_known CHECK (overlap IN ('allow', 'replace', 'skip'))
    )
    """,
    "CREATE INDEX schedules_next_fire ON schedules (next_fire_at) WHERE next_fire_at IS NOT NULL",
    """
    CREATE TABLE schedule_fires (
        schedule_id uuid NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
        fire_time timestamptz NOT NULL,
        outcome text NOT NULL,
        origin text NOT NULL,
        task_id uuid,
        reason text,
        recorded_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (schedule_id, fire_time),
        CONSTRAINT schedule_fires_outcome_known
            CHECK (outcome IN ('missed', 'refused', 'replaced', 'skipped', 'submitted')),
        CONSTRAINT schedule_fires_origin_known CHECK (origin IN ('backfill', 'manual', 'time')),
        CONSTRAINT schedule_fires_submitted_has_task CHECK (outcome <> 'submitted' OR task_id IS NOT NULL)
    )
    """,
    """
    CREATE INDEX schedule_fires_with_task ON schedule_fires (schedule_id, fire_time) WHERE task_id IS NOT NULL
    """,
    "CREATE INDEX schedule_fires_fire_time ON schedule_fires USING brin (fire_time)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE schedule_fires")
    op.execute("DROP TABLE schedules")
