-- Operators' saved filters. Every change writes its audit row, which belongs to no task.

-- name: saved_filters
-- All saved filters.
SELECT name, filter, actor, saved_at FROM saved_filters ORDER BY lower(name), name

-- name: save_filter
-- Saves a filter; an existing one of this name is overwritten only on request.
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
-- Deletes a filter.
WITH gone AS (
    DELETE FROM saved_filters WHERE name = %(name)s RETURNING name, filter
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'filter_deleted', %(actor)s::text, jsonb_build_object('name', name, 'filter', filter) FROM gone
)
SELECT name FROM gone
