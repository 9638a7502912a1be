-- name: insert_tasks
-- Adds tasks, with their first event; an idempotency key that is taken, or a queue or type that drains, inserts nothing.
WITH new AS (
    INSERT INTO tasks (id, queue, type, title, state, priority, input, requires, max_attempts, timeout_seconds,
        run_at, ready_at, idempotency_key, content_hash, workflow_id, waiting_on, creator_agent_id, created_by,
        created_at, scheduled_for, size, predicted_seconds, predicted_low, predicted_high,
        predicted_mean, head_start)
    SELECT s.id, s.queue, s.type, s.title,
        CASE WHEN s.waiting_on > 0 THEN 'blocked' WHEN s.due > now() THEN 'scheduled' ELSE 'pending' END,
        s.priority, s.input, string_to_array(s.requires, ','), s.max_attempts, s.timeout_seconds,
        s.due, greatest(s.due, now()), s.idempotency_key, s.content_hash,
        (SELECT coalesce(p.workflow_id, p.id) FROM tasks p WHERE p.id = s.parent_id), s.waiting_on,
        s.creator_agent_id, s.created_by, now(), s.scheduled_for, s.size, s.predicted, s.low, s.high, s.mean,
        s.head_start
    FROM (
        SELECT u.id, u.queue, u.type, u.title, u.priority, u.input, coalesce(u.requires, '') AS requires,
            u.max_attempts, u.timeout_seconds, coalesce(u.run_at, now() + make_interval(secs => u.delay)) AS due,
            u.idempotency_key, u.content_hash, u.parent_id, u.waiting_on, u.creator_agent_id, u.created_by,
            u.scheduled_for, u.size, u.predicted, u.low, u.high, u.mean, u.head_start
        FROM unnest(%(ids)s::uuid[], %(queues)s::text[], %(types)s::text[], %(titles)s::text[],
            %(priorities)s::smallint[], %(inputs)s::json[], %(requires)s::text[], %(max_attempts)s::smallint[],
            %(timeouts)s::float8[], %(run_ats)s::timestamptz[], %(delays)s::float8[], %(keys)s::text[],
            %(hashes)s::text[], %(parents)s::uuid[], %(waiting_on)s::int[], %(creators)s::text[],
            %(created_by)s::text[], %(scheduled_for)s::timestamptz[], %(sizes)s::text[], %(predicted)s::real[],
            %(lows)s::real[], %(highs)s::real[], %(means)s::real[], %(head_starts)s::float8[])
        AS u(id, queue, type, title, priority, input, requires, max_attempts, timeout_seconds, run_at, delay,
            idempotency_key, content_hash, parent_id, waiting_on, creator_agent_id, created_by, scheduled_for,
            size, predicted, low, high, mean, head_start)
    ) s
    WHERE NOT EXISTS (SELECT FROM holds h WHERE h.kind = 'queue' AND h.name = s.queue AND h.mode = 'draining')
        AND NOT EXISTS (SELECT FROM holds h WHERE h.kind = 'type' AND h.name = s.type AND h.mode = 'draining')
    ON CONFLICT DO NOTHING
    RETURNING id, state, created_by, creator_agent_id, queue, type, extract(epoch FROM ready_at)::float8 AS ready
), audit AS (
    INSERT INTO task_events (task_id, event, to_state, attempt, actor, agent_id, queue, type)
    SELECT id, 'submitted', state, 0, created_by, creator_agent_id, queue, type FROM new
)
SELECT id, state, ready FROM new

-- name: insert_task
-- Adds one task that waits for nothing and has no key, as insert_tasks does, with less to read and to plan.
WITH new AS (
    INSERT INTO tasks (id, queue, type, title, state, priority, input, requires, max_attempts, timeout_seconds,
        ready_at, creator_agent_id, created_by, created_at, size, predicted_seconds, predicted_low, predicted_high,
        predicted_mean, head_start)
    SELECT %(id)s::uuid, %(queue)s::text, %(type)s::text, %(title)s::text, 'pending', %(priority)s::smallint,
        %(input)s::json, %(requires)s::text[], %(max_attempts)s::smallint, %(timeout)s::float8, now(),
        %(creator)s::text, %(created_by)s::text, now(), %(size)s::text, %(predicted)s::real, %(low)s::real,
        %(high)s::real, %(mean)s::real, %(head_start)s::float8
    WHERE NOT EXISTS (SELECT FROM holds h WHERE h.kind = 'queue' AND h.name = %(queue)s::text AND h.mode = 'draining')
        AND NOT EXISTS (SELECT FROM holds h WHERE h.kind = 'type' AND h.name = %(type)s::text AND h.mode = 'draining')
    RETURNING id, state, created_by, creator_agent_id, queue, type, extract(epoch FROM ready_at)::float8 AS ready
), audit AS (
    INSERT INTO task_events (task_id, event, to_state, attempt, actor, agent_id, queue, type)
    SELECT id, 'submitted', state, 0, created_by, creator_agent_id, queue, type FROM new
)
SELECT id, state, ready FROM new

-- name: find_by_keys
-- The tasks that hold these idempotency keys, with the columns that a call is compared with.
SELECT idempotency_key, id, content_hash, type, queue, title, priority, input::text, requires, timeout_seconds, max_attempts,
    run_at, created_at
FROM tasks WHERE idempotency_key = ANY(%(keys)s)

-- name: parents
-- The states of new tasks' parents: failed is one, too, that was cancelled because a task before it failed.
SELECT id, state_for_children(state, failed_before) FROM tasks WHERE id = ANY(%(ids)s::uuid[])

-- name: add_dependencies
-- Adds what new tasks wait for, or need not wait for any more.
INSERT INTO task_dependencies (parent_id, child_id, condition, is_open, met_at)
SELECT e.parent_id, e.child_id, e.condition, e.is_open, CASE WHEN NOT e.is_open THEN now() END
FROM unnest(%(parents)s::uuid[], %(children)s::uuid[], %(conditions)s::text[], %(open)s::boolean[])
    AS e(parent_id, child_id, condition, is_open)

-- name: transaction_time
-- The time that now() has in this transaction.
SELECT now()::text, extract(epoch FROM now())::float8

-- name: waiting_of_creators
-- How many tasks of each of these creators no agent has yet. Reads the unfinished tasks, which the limit keeps few.
SELECT created_by, count(*)
FROM tasks
WHERE finished_at IS NULL AND state IN ('blocked', 'scheduled', 'pending') AND created_by = ANY(%(creators)s)
GROUP BY created_by
