-- name: task
-- One task with all columns.
SELECT <task>
FROM tasks WHERE id = %(id)s::uuid

-- name: list_tasks
-- The newest tasks that match the filters (a NULL filter matches all), without large columns.
SELECT <task: NULL AS input, NULL AS output, NULL AS checkpoint, suspension - 'schema' - 'deadlines' AS suspension, error - 'traceback' AS error>
FROM tasks
WHERE (%(state)s::text IS NULL OR state = %(state)s) AND (%(type)s::text IS NULL OR type = %(type)s)
    AND (%(queue)s::text IS NULL OR queue = %(queue)s)
ORDER BY id DESC LIMIT %(limit)s

-- name: tasks
-- Some tasks, without their inputs, outputs and checkpoints.
SELECT <task: NULL AS input, NULL AS output, NULL AS checkpoint, suspension - 'schema' - 'deadlines' AS suspension>
FROM tasks WHERE id = ANY(%(ids)s::uuid[])

-- name: history
-- A task's last events, in order, without its attempts' logs: of these there may be very many, in another index.
SELECT at, event, from_state, to_state, attempt, actor, agent_id, detail,
    wait_seconds, run_seconds, total_seconds, cpu_seconds, peak_memory_bytes
FROM (
    SELECT * FROM task_events WHERE task_id = %(id)s::uuid AND event <> 'log'
    ORDER BY at DESC, attempt DESC, to_state IS NULL LIMIT %(limit)s
) newest ORDER BY at, attempt, to_state IS NULL DESC

-- name: last_return
-- Why an attempt was handed back, if it was.
SELECT detail ->> 'reason' FROM task_events
WHERE task_id = %(id)s::uuid AND event = 'handed_back' AND attempt = %(attempt)s ORDER BY at DESC LIMIT 1

-- name: states
-- How many tasks are in each state.
SELECT state, count(*) FROM tasks GROUP BY state

-- name: waiting_lanes
-- The tasks that could start now, by what an agent needs to take them.
SELECT queue, type, requires, count(*), min(ready_at) FROM tasks
WHERE finished_at IS NULL AND (state = 'pending' OR (state IN ('scheduled', 'suspended') AND run_at <= now()))
GROUP BY queue, type, requires ORDER BY count(*) DESC, 1, 2

-- name: outputs
-- State, output and error of these tasks.
SELECT id, state, output::text, error::text FROM tasks WHERE id = ANY(%(ids)s::uuid[])

-- name: agents
-- Every known agent, or those that are present; present ones first. Of the types that they declared, of which most
-- are schemas, only the versions, by name.
SELECT id, name, boot_id, kind, host, pid, types, tags, max_concurrency, state, registered_at, left_at,
    CASE WHEN known_types IS NOT NULL THEN (
        SELECT coalesce(jsonb_object_agg(one ->> 'name', one ->> 'version'), '{}') FROM jsonb_array_elements(known_types) one
    ) END, agent_class
FROM agents WHERE %(every)s OR left_at IS NULL
ORDER BY left_at IS NOT NULL, name, registered_at DESC

-- name: leader
-- The current term.
SELECT epoch, worker, since FROM leadership

-- name: is_led
-- Whether any session holds the leader's lock now. A lock on one bigint shows as its two halves.
SELECT EXISTS (
    SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND d.datname = current_database()
        AND (l.classid::bigint << 32 | l.objid::bigint) = hashtext('taskyard leader')::bigint
)

-- name: any_task
-- Whether there is any task.
SELECT EXISTS (SELECT FROM tasks)

-- name: waiting
-- The queue data of these tasks.
SELECT id, state, queue, type, requires, priority, extract(epoch FROM ready_at)::float8, coalesce(head_start, 0)
FROM tasks WHERE id = ANY(%(ids)s::uuid[])
    AND (state IN ('pending', 'scheduled') OR (state = 'suspended' AND run_at IS NOT NULL))

-- name: unfinished_parents
-- What a blocked or suspended task waits for.
SELECT p.id, p.type, p.state, d.condition FROM task_dependencies d JOIN tasks p ON p.id = d.parent_id
WHERE d.child_id = %(id)s::uuid AND d.is_open ORDER BY p.id

-- name: stoppers
-- The parents that keep a task from starting unless they run again, and whether theirs do the same to them.
SELECT u.parent_id, p.type, u.state, u.condition, coalesce((
    SELECT true FROM unmet_parents g
    WHERE g.child_id = u.parent_id AND coalesce(g.state, 'failed') IN ('failed', 'cancelled', 'completed') LIMIT 1
), false)
FROM unmet_parents u LEFT JOIN tasks p ON p.id = u.parent_id
WHERE u.child_id = %(id)s::uuid AND coalesce(u.state, 'failed') IN ('failed', 'cancelled', 'completed')
ORDER BY u.parent_id LIMIT 20

-- name: now
-- The database's time, which decides.
SELECT now()
