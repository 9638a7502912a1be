-- Who belongs to a task.

-- name: children
-- What a task's handler submitted: the idempotency keys of children are the parent's id and an ordinal.
SELECT id, type, title, state FROM tasks WHERE idempotency_key = ANY(%(keys)s::text[]) ORDER BY id

-- name: dependants
-- What waits for a task.
SELECT c.id, c.type, c.title, c.state FROM task_dependencies d JOIN tasks c ON c.id = d.child_id
WHERE d.parent_id = %(id)s::uuid ORDER BY c.id LIMIT %(limit)s

-- name: awaited
-- What a task waits for.
SELECT p.id, p.type, p.title, p.state FROM task_dependencies d JOIN tasks p ON p.id = d.parent_id
WHERE d.child_id = %(id)s::uuid ORDER BY p.id LIMIT %(limit)s

-- name: named
-- Some tasks by their ids.
SELECT id, type, title, state FROM tasks WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id
