"""Questions that tasks ask people, and their answers.

Only new tables: processes of an older release do not know them.
"""

from alembic import op

revision = "0027"
down_revision = "0026"

STATEMENTS = (
    """
    CREATE TABLE questions (
        id uuid PRIMARY KEY,
        task_id uuid NOT NULL,
        key text NOT NULL,
        question text NOT NULL,
        context_text text NOT NULL DEFAULT '',
        schema json,
        of text[] NOT NULL,
        needs smallint NOT NULL DEFAULT 1,
        not_by_submitter boolean NOT NULL DEFAULT false,
        submitted_by text NOT NULL,
        delegated_to text[] NOT NULL DEFAULT '{}',
        state text NOT NULL DEFAULT 'open',
        asked_at timestamptz NOT NULL DEFAULT now(),
        deadline timestamptz,
        ended_at timestamptz,
        CONSTRAINT questions_state_known
            CHECK (state IN ('answered', 'declined', 'expired', 'open', 'withdrawn')),
        CONSTRAINT questions_ended_has_time CHECK ((state = 'open') = (ended_at IS NULL)),
        CONSTRAINT questions_needs_somebody CHECK (needs > 0)
    )
    """,
    "CREATE UNIQUE INDEX questions_open ON questions (task_id) WHERE state = 'open'",
    "CREATE INDEX questions_of_task ON questions (task_id)",
    "CREATE INDEX questions_ended ON questions (ended_at, id) WHERE state <> 'open'",
    """
    CREATE TABLE question_answers (
        question_id uuid NOT NULL REFERENCES questions (id) ON DELETE CASCADE,
        answered_by text NOT NULL,
        actor text NOT NULL,
        decision text NOT NULL,
        data json,
        reason text NOT NULL DEFAULT '',
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (question_id, answered_by),
        CONSTRAINT question_answers_decision_known CHECK (decision IN ('approved', 'declined'))
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in ("question_answers", "questions"):
        op.execute(f"DROP TABLE {table}")
