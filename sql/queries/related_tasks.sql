-- Finds related tasks.

-- name: submitted_by
-- Tasks that a task's handler submitted: their keys begin with its id, and they belong to its workflow.
SELECT c.id, c.type, c.title, c.state FROM tasks p
JOIN tasks c ON c.workflow_id = coalesce(p.workflow_id, p.id) AND c.idempotency_key LIKE p.id || '/%%'
WHERE p.id = %(id)s::uuid ORDER BY c.id LIMIT %(limit)s

-- name: whole_tree
-- A slice of all tasks that handlers in a task's workflow submitted, in id order: the submitting task, and whether it has
-- not ended.
SELECT c.id, left(c.idempotency_key, 36), c.finished_at IS NULL
FROM tasks p CROSS JOIN LATERAL (
    SELECT c.id, c.idempotency_key, c.finished_at FROM tasks c
    WHERE c.workflow_id = coalesce(p.workflow_id, p.id) AND c.id > %(after)s::uuid
        AND substr(c.idempotency_key, 37, 1) = '/'
    ORDER BY c.id LIMIT %(limit)s
) c
WHERE p.id = %(id)s::uuid

-- name: open_in_workflows
-- The unfinished tasks of all workflows that these tasks' handlers submitted, and that tasks of these workflows did.
WITH RECURSIVE submitted AS (
    SELECT w.id
    FROM unnest(%(ids)s::uuid[]) AS f(id)
    CROSS JOIN LATERAL (SELECT w.id FROM workflows w WHERE w.parent_task_id = f.id) w
    UNION
    SELECT n.id
    FROM submitted s
    CROSS JOIN LATERAL (SELECT t.id FROM tasks t WHERE t.workflow_id = s.id) t
    CROSS JOIN LATERAL (SELECT n.id FROM workflows n WHERE n.parent_task_id = t.id) n
)
SELECT t.id
FROM submitted s
CROSS JOIN LATERAL (SELECT t.id FROM tasks t WHERE t.workflow_id = s.id AND t.finished_at IS NULL ORDER BY t.id) t

-- name: after_it
-- Tasks that were submitted to start after a task.
SELECT c.id, c.type, c.title, c.state, d.condition, d.met_at, (
        SELECT state_for_children(p.state, p.failed_before) FROM tasks p WHERE p.id = d.parent_id
    )
FROM task_dependencies d JOIN tasks c ON c.id = d.child_id
WHERE d.parent_id = %(id)s::uuid AND d.kind = 'after' ORDER BY c.id LIMIT %(limit)s

-- name: before_it
-- Tasks that a task was submitted to start after.
SELECT p.id, p.type, p.title, p.state, d.condition, d.met_at,
    state_for_children(p.state, p.failed_before)
FROM task_dependencies d JOIN tasks p ON p.id = d.parent_id
WHERE d.child_id = %(id)s::uuid AND d.kind = 'after' ORDER BY p.id LIMIT %(limit)s

-- name: similar_failures
-- The newest tasks that failed with the same error, without one of them.
SELECT id, type, title, state, assigned_agent_id, finished_at FROM tasks
WHERE error IS NOT NULL AND error->>'fingerprint' = %(fingerprint)s AND state = 'failed'
    AND (%(besides)s::uuid IS NULL OR id <> %(besides)s::uuid)
ORDER BY id DESC LIMIT %(limit)s
