-- name: standings
-- The status of these tasks, with their output if it is short enough to be shown.
SELECT id, type, title, state, progress, progress_message, attempt, max_attempts, assigned_agent_id, created_at, run_at,
    started_at, finished_at, error::text,
    CASE WHEN octet_length(output::text) <= %(output_bytes)s THEN output::text END, output IS NOT NULL
FROM tasks WHERE id = ANY(%(ids)s::uuid[])

-- name: states_of
-- How many of these tasks are in each state.
SELECT state, count(*) FROM tasks WHERE id = ANY(%(ids)s::uuid[]) GROUP BY state

-- name: failed_of
-- The first of these tasks that failed or were cancelled.
SELECT id, type, title, state, error->>'class', left(error->>'message', 300) FROM tasks
WHERE id = ANY(%(ids)s::uuid[]) AND state IN ('failed', 'cancelled') ORDER BY id LIMIT %(limit)s

-- name: known_keys
-- How many of these idempotency keys belong to tasks.
SELECT count(*) FROM tasks WHERE idempotency_key = ANY(%(keys)s::text[])
