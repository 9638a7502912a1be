-- Schedules. Every change writes its audit row.

-- name: create_schedule
-- Adds a schedule; no row if the name is taken.
WITH made AS (
    INSERT INTO schedules (id, name, cron, interval_seconds, time_zone, kind, what, catch_up, catch_up_limit, overlap,
        jitter_seconds, starts_at, ends_at, expected_seconds, owner, may_run_code, anchor_at, next_fire_at, created_by)
    VALUES (%(id)s, %(name)s, %(cron)s, %(interval_seconds)s, %(time_zone)s, %(kind)s, %(what)s::json,
        %(catch_up)s, %(catch_up_limit)s, %(overlap)s, %(jitter_seconds)s, %(starts_at)s, %(ends_at)s, %(expected_seconds)s,
        %(owner)s, %(may_run_code)s, %(anchor_at)s, %(next_fire_at)s, %(actor)s)
    ON CONFLICT (name) DO NOTHING
    RETURNING id, name
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'schedule_created', %(actor)s::text, jsonb_build_object('name', name) || %(detail)s::jsonb FROM made
)
SELECT id FROM made

-- name: schedules
-- All schedules by name, or one.
SELECT id::text, name, cron, interval_seconds, time_zone, what::text, is_enabled, catch_up, catch_up_limit, overlap,
    jitter_seconds, starts_at, ends_at, expected_seconds, owner, may_run_code, anchor_at, next_fire_at, created_at,
    created_by
FROM schedules WHERE %(name)s::text IS NULL OR name = %(name)s
ORDER BY name

-- name: owned_schedules
-- The names of the schedules of an owner; a pattern of LIKE.
SELECT name, owner FROM schedules WHERE owner LIKE %(owner)s ORDER BY name

-- name: lock_schedule
-- Locks a schedule until the end of the transaction: it does not fire meanwhile. Returns the database's time.
SELECT now() FROM schedules WHERE name = %(name)s FOR NO KEY UPDATE

-- name: transaction_time
-- The database's time.
SELECT now()

-- name: change_schedule
-- Changes a schedule that was locked before.
WITH changed AS (
    UPDATE schedules SET cron = %(cron)s, interval_seconds = %(interval_seconds)s, time_zone = %(time_zone)s,
        kind = %(kind)s, what = %(what)s::json, catch_up = %(catch_up)s, catch_up_limit = %(catch_up_limit)s, overlap = %(overlap)s,
        jitter_seconds = %(jitter_seconds)s, starts_at = %(starts_at)s, ends_at = %(ends_at)s,
        expected_seconds = %(expected_seconds)s, may_run_code = %(may_run_code)s, anchor_at = %(anchor_at)s,
        next_fire_at = %(next_fire_at)s, owner = %(owner)s
    WHERE name = %(name)s
    RETURNING name
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'schedule_changed', %(actor)s::text, jsonb_build_object('name', name) || %(detail)s::jsonb FROM changed
)
SELECT name FROM changed

-- name: switch_schedule
-- Pauses or resumes a schedule; no row if it was like that.
WITH changed AS (
    UPDATE schedules SET is_enabled = %(is_enabled)s, next_fire_at = %(next_fire_at)s
    WHERE name = %(name)s AND is_enabled <> %(is_enabled)s
    RETURNING name, is_enabled
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT CASE WHEN is_enabled THEN 'schedule_resumed' ELSE 'schedule_paused' END, %(actor)s::text,
        jsonb_build_object('name', name, 'reason', %(reason)s::text)
    FROM changed
)
SELECT name FROM changed

-- name: delete_schedule
-- Removes a schedule with the record of its fire times; no row if there is none. Its tasks stay.
WITH deleted AS (
    DELETE FROM schedules WHERE name = %(name)s RETURNING name, owner
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'schedule_deleted', %(actor)s::text, jsonb_build_object('name', name, 'owner', owner) FROM deleted
)
SELECT name FROM deleted

-- name: note_fired_by_hand
-- The audit row of tasks that somebody had a schedule submit.
INSERT INTO task_events (event, actor, detail) VALUES (%(event)s, %(actor)s, %(detail)s::jsonb)
