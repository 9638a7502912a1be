-- Operators' holds. Every change writes its audit row, which belongs to no task.

-- name: all_holds
-- All holds in force.
SELECT kind, name, mode, actor, reason, since FROM holds ORDER BY kind, name

-- name: agent_is_known
-- Whether an agent of this name was ever registered.
SELECT EXISTS (SELECT FROM agents WHERE name = %(name)s)

-- name: queue_is_known
-- Whether a task is in a queue of this name, or the queue is held.
SELECT EXISTS (SELECT FROM tasks WHERE queue = %(name)s)
    OR EXISTS (SELECT FROM holds WHERE kind = 'queue' AND name = %(name)s)

-- name: type_is_known
-- Whether a task is of this type, an agent declared it, or it is held.
SELECT EXISTS (SELECT FROM tasks WHERE type = %(name)s)
    OR EXISTS (
        SELECT FROM agents WHERE known_types @> jsonb_build_array(jsonb_build_object('name', %(name)s::text))
    )
    OR EXISTS (SELECT FROM holds WHERE kind = 'type' AND name = %(name)s)

-- name: hold
-- Pauses or drains; does nothing if it is held like this already.
WITH held AS (
    INSERT INTO holds AS h (kind, name, mode, actor, reason)
    VALUES (%(kind)s, %(name)s, %(mode)s, %(actor)s, %(reason)s)
    ON CONFLICT (kind, name) DO UPDATE
        SET mode = EXCLUDED.mode, actor = EXCLUDED.actor, reason = EXCLUDED.reason, since = now()
        WHERE h.mode <> EXCLUDED.mode
    RETURNING kind, name, mode, actor, reason
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT mode, actor, jsonb_build_object('kind', kind, 'name', name, 'reason', reason) FROM held
)
SELECT name FROM held

-- name: release
-- Releases a hold.
WITH released AS (
    DELETE FROM holds WHERE kind = %(kind)s AND name = %(name)s RETURNING kind, name, mode
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'resumed', %(actor)s::text,
        jsonb_build_object('kind', kind, 'name', name, 'was', mode, 'reason', %(reason)s::text)
    FROM released
)
SELECT name FROM released
