-- Filters that operators saved. Every change writes its audit row, which belongs to no task.

-- name: saved_filters
-- All of them.
SELECT name, filter, actor, saved_at FROM saved_filters ORDER BY lower(name), name

-- name: save_filter
-- A new one; one of this name is only overwritten if asked to.
WITH saved AS (
    INSERT INTO saved_filters AS s (name, filter, actor) VALUES (%(name)s, %(filter)s::jsonb, %(actor)s)
    ON CONFLICT (name) DO UPDATE SET filter = EXCLUDED.filter, actor = EXCLUDED.actor, saved_at = now()
        WHERE %(overwrite)s
    RETURNING name, filter, actor
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'filter_saved', actor, jsonb_build_object('name', name, 'filter', filter) FROM saved
)
SELECT name FROM saved

-- name: delete_filter
-- Removes one.
WITH gone AS (
    DELETE FROM saved_filters WHERE name = %(name)s RETURNING name, filter
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'filter_deleted', %(actor)s::text, jsonb_build_object('name', name, 'filter', filter) FROM gone
)
SELECT name FROM gone
