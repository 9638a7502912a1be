-- Hooks, by which others submit tasks with signed requests. Every change writes its audit row.

-- name: create_hook
-- Adds a hook; no row if the name is taken.
WITH made AS (
    INSERT INTO hooks (id, name, scheme, secret, type, queue, priority, template, events, may_run_code, created_by)
    VALUES (%(id)s, %(name)s, %(scheme)s, %(secret)s, %(type)s, %(queue)s, %(priority)s, %(template)s::jsonb,
        %(events)s::text[], %(may_run_code)s, %(actor)s)
    ON CONFLICT (name) DO NOTHING
    RETURNING *
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'hook_created', %(actor)s::text, jsonb_build_object('name', name, 'scheme', scheme, 'type', type,
        'queue', queue, 'priority', priority, 'events', events)
    FROM made
)
SELECT id FROM made

-- name: hooks
-- All hooks by name, or one.
SELECT id::text, name, scheme, type, queue, priority, template, events, may_run_code,
    CASE WHEN former_until > now() THEN former_until END, disabled_at, used_at, refused_at, created_at, created_by
FROM hooks WHERE %(name)s::text IS NULL OR name = %(name)s
ORDER BY name

-- name: secrets
-- The secrets of an enabled hook: its own, and a former one that still counts.
SELECT secret, CASE WHEN former_until > now() THEN former_secret END FROM hooks
WHERE name = %(name)s AND disabled_at IS NULL

-- name: change_hook
-- Changes what a hook submits; no row if nothing changes.
WITH changed AS (
    UPDATE hooks SET type = %(type)s, queue = %(queue)s, priority = %(priority)s, template = %(template)s::jsonb,
        events = %(events)s::text[], may_run_code = %(may_run_code)s
    WHERE name = %(name)s AND (type, queue, priority, template, events)
        <> (%(type)s, %(queue)s, %(priority)s, %(template)s::jsonb, %(events)s::text[])
    RETURNING *
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'hook_changed', %(actor)s::text, jsonb_build_object('name', name, 'type', type, 'queue', queue,
        'priority', priority, 'events', events)
    FROM changed
)
SELECT id FROM changed

-- name: delete_hook
-- Removes a hook; no row if there is none.
WITH deleted AS (
    DELETE FROM hooks WHERE name = %(name)s RETURNING name
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'hook_deleted', %(actor)s::text, jsonb_build_object('name', name) FROM deleted
)
SELECT name FROM deleted

-- name: switch_hook
-- Enables or disables a hook; no row if it was like that.
WITH changed AS (
    UPDATE hooks SET disabled_at = CASE WHEN %(is_disabled)s THEN now() END
    WHERE name = %(name)s AND (disabled_at IS NOT NULL) <> %(is_disabled)s
    RETURNING name
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT CASE WHEN %(is_disabled)s THEN 'hook_disabled' ELSE 'hook_enabled' END, %(actor)s::text,
        jsonb_build_object('name', name)
    FROM changed
)
SELECT name FROM changed

-- name: rotate_secret
-- Replaces a hook's secret; the former one also counts for some time.
WITH changed AS (
    UPDATE hooks SET former_secret = secret, former_until = now() + make_interval(secs => %(seconds)s),
        secret = %(secret)s
    WHERE name = %(name)s
    RETURNING name, former_until
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'hook_secret_rotated', %(actor)s::text, jsonb_build_object('name', name, 'former_until', former_until)
    FROM changed
)
SELECT name FROM changed

-- name: note_used
-- Notes that a hook was used, at most once a minute.
UPDATE hooks SET used_at = now() WHERE id = (
    SELECT id FROM hooks WHERE name = %(name)s AND coalesce(used_at, '-infinity') < now() - interval '1 minute'
    FOR NO KEY UPDATE SKIP LOCKED
)

-- name: note_refused
-- Notes that a hook's caller was refused, at most once a minute: whoever knows its address can cause this.
WITH noted AS (
    UPDATE hooks SET refused_at = now() WHERE id = (
        SELECT id FROM hooks WHERE name = %(name)s AND coalesce(refused_at, '-infinity') < now() - interval '1 minute'
        FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING name
)
INSERT INTO task_events (event, actor, detail)
SELECT 'hook_refused', 'hook:' || name, jsonb_build_object('name', name, 'reason', %(reason)s::text,
    'from', %(address)s::text)
FROM noted
