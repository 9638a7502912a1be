-- How many agents of each kind somebody wants. Every change writes its audit row, which belongs to no task.

-- name: all_sizes
-- All sizes in force.
SELECT kind, count, actor, reason, since FROM pool_sizes ORDER BY kind

-- name: scale
-- Sets the size of a kind; does nothing if it is that already. `before` is the number wanted until now.
WITH scaled AS (
    INSERT INTO pool_sizes AS p (kind, count, actor, reason)
    VALUES (%(kind)s, %(count)s, %(actor)s, %(reason)s)
    ON CONFLICT (kind) DO UPDATE
        SET count = EXCLUDED.count, actor = EXCLUDED.actor, reason = EXCLUDED.reason, since = now()
        WHERE p.count <> EXCLUDED.count
    RETURNING kind, count, actor, reason
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'pool_scaled', actor,
        jsonb_build_object('kind', kind, 'count', count, 'before', %(before)s::integer, 'reason', reason)
    FROM scaled
)
SELECT kind FROM scaled

-- name: reset
-- Lets the pool file decide again.
WITH gone AS (
    DELETE FROM pool_sizes WHERE kind = %(kind)s RETURNING kind, count
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'pool_reset', %(actor)s::text,
        jsonb_build_object('kind', kind, 'before', count, 'reason', %(reason)s::text)
    FROM gone
)
SELECT kind FROM gone
