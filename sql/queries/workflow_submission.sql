-- Stores workflows. Their tasks, edges and templates of inputs are copied.

-- name: add_workflow
-- Adds a workflow, with its event; an idempotency key that is taken inserts nothing.
WITH new AS (
    INSERT INTO workflows (id, kind, name, title, tasks, idempotency_key, content_hash, parent_task_id, created_by)
    VALUES (%(id)s::uuid, %(kind)s, %(name)s, %(title)s, %(tasks)s, %(key)s, %(hash)s, %(parent)s::uuid, %(created_by)s)
    ON CONFLICT DO NOTHING
    RETURNING id, kind, name, tasks, created_by
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'workflow_submitted', created_by,
        jsonb_build_object('workflow_id', id, 'kind', kind, 'name', name, 'tasks', tasks)
    FROM new
)
SELECT id FROM new

-- name: with_key
-- The workflow that has an idempotency key.
SELECT id, content_hash FROM workflows WHERE idempotency_key = %(key)s

-- name: task_ids
-- The tasks that were submitted with a workflow, by key.
SELECT workflow_key, id FROM tasks WHERE workflow_id = %(id)s::uuid AND workflow_key IS NOT NULL
