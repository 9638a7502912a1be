"""What a claim does for tasks that were suspended, as a function: a claim without such tasks pays nothing for it.

PostgreSQL prepares every part of a statement before it runs, also those that find no rows; that was half of the time
of a claim of one task.
"""

from alembic import op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION resume_of(task uuid, missed text, used jsonb) RETURNS json
        LANGUAGE plpgsql
        AS $$
        DECLARE
            following int;
        BEGIN
            IF missed IS NOT NULL THEN
                SELECT coalesce(max(s.number), 0) + 1 INTO following FROM task_signals s WHERE s.task_id = task;
                INSERT INTO task_signals (task_id, name, signal_id, number, kind)
                VALUES (task, missed, '=' || following, following, 'timeout');
                WITH expired AS (
                    UPDATE questions q SET state = 'expired', ended_at = now()
                    WHERE q.task_id = task AND q.state = 'open'
                    RETURNING q.id, q.key, q.question
                )
                INSERT INTO task_events (task_id, event, actor, detail)
                SELECT task, 'question_expired', 'dispatcher',
                    jsonb_build_object('question', e.id, 'name', e.key, 'text', e.question)
                FROM expired e;
            END IF;
            RETURN json_build_object('now', date_part('epoch', now()), 'used', coalesce(used, jsonb_build_object()),
                'received', (
                    SELECT coalesce(json_agg(json_build_array(s.number, s.name, s.signal_id, s.kind, s.data, s.sent_by,
                        date_part('epoch', s.sent_at)) ORDER BY s.number), '[]')
                    FROM task_signals s
                    WHERE s.task_id = task AND (s.kind <> 'timeout' OR s.number = following
                        OR s.number > coalesce((used ->> s.name)::int, 0))
                ));
        END
        $$
    """)
    op.execute("""
        COMMENT ON FUNCTION resume_of(uuid, text, jsonb) IS
        'The signals of a task that goes on, as its agent reads them. If the time ran out in which it waited for the '
        'signal `missed`, that is recorded first, as a signal is, and its open question expires.'
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION resume_of(uuid, text, jsonb)")
