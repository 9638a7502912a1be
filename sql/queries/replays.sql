-- The record that a replay simulates: attempts with their waits and run times, agents, and holds.

-- name: attempts
-- Attempts that ran and ended in a span, newest first, behind a place in it. The times of a task's last attempt are
-- in its row; of earlier ones the start is reckoned from when their end was recorded. A cancelled one ran until then.
SELECT a.ended, a.task_id, a.attempt, a.event, a.queue, a.type, a.started, a.started - a.wait_seconds, a.run_seconds,
    a.agent_id, coalesce(a.priority, 1), coalesce(a.requires, '{}'), coalesce(a.created_by, ''),
    a.size, a.input_length
FROM (
    SELECT date_part('epoch', e.at) AS ended, e.at, e.task_id, e.attempt, e.event, e.queue, e.type, e.agent_id,
        CASE WHEN is_last AND t.started_at IS NOT NULL THEN date_part('epoch', t.started_at)
            ELSE date_part('epoch', e.at) - e.run_seconds END AS started,
        coalesce(e.wait_seconds, CASE WHEN is_last THEN greatest(0, date_part('epoch', t.started_at - t.ready_at)) END)
            AS wait_seconds,
        coalesce(e.run_seconds, CASE WHEN is_last AND e.event = 'cancelled'
            THEN greatest(0, date_part('epoch', e.at - t.started_at)) END) AS run_seconds,
        t.priority, t.requires, t.created_by, t.size,
        CASE WHEN t.size IS NULL AND t.id IS NOT NULL THEN length(t.input::text) END AS input_length
    FROM task_events e
    LEFT JOIN tasks t ON t.id = e.task_id
    CROSS JOIN LATERAL (SELECT t.finished_at IS NOT NULL AND t.attempt = e.attempt AS is_last) l
    WHERE e.at >= to_timestamp(%(since)s) AND e.at < to_timestamp(%(until)s)
        AND (e.event IN ('completed', 'failed', 'attempt_failed', 'suspended', 'handed_back')
            OR (e.event = 'cancelled' AND e.from_state = 'in_progress'))
        AND e.agent_id IS NOT NULL
        AND (%(place_at)s::float8 IS NULL
            OR (e.at, e.task_id, e.attempt) < (to_timestamp(%(place_at)s), %(place_id)s::uuid, %(place_attempt)s::int))
) a
WHERE a.run_seconds IS NOT NULL AND a.wait_seconds IS NOT NULL
ORDER BY a.at DESC, a.task_id DESC, a.attempt DESC LIMIT %(limit)s

-- name: running
-- Attempts that run now and started before a time.
SELECT date_part('epoch', now()), id, attempt, 'running', queue, type, date_part('epoch', started_at),
    date_part('epoch', least(ready_at, started_at)), greatest(0, date_part('epoch', now() - started_at)),
    assigned_agent_id, priority, requires, created_by, size, CASE WHEN size IS NULL THEN length(input::text) END
FROM tasks
WHERE finished_at IS NULL AND state = 'in_progress' AND started_at < to_timestamp(%(until)s)

-- name: boots
-- The boots of agents that were there some time in a span.
SELECT id, name, types, tags, max_concurrency,
    CASE WHEN known_types IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements(known_types) ->> 'name') END,
    date_part('epoch', registered_at), date_part('epoch', left_at)
FROM agents
WHERE registered_at < to_timestamp(%(until)s) AND (left_at IS NULL OR left_at >= to_timestamp(%(since)s))
ORDER BY name, registered_at, id

-- name: changes
-- When boots joined and left, and operators held and released something, in a span.
SELECT date_part('epoch', at), event, agent_id, detail ->> 'kind', detail ->> 'name', detail ->> 'was'
FROM task_events
WHERE task_id IS NULL AND at >= to_timestamp(%(since)s) AND at < to_timestamp(%(until)s)
    AND event IN ('agent_joined', 'agent_left', 'agent_lost', 'paused', 'draining', 'resumed')
ORDER BY at

-- name: learned_before
-- The last attempts that completed before a time, oldest first: what predictions were made from when a span began.
SELECT type, created_by, size, input_length, run_seconds FROM (
    SELECT e.at, e.type, t.created_by, t.size,
        CASE WHEN t.size IS NULL THEN length(t.input::text) END AS input_length, e.run_seconds
    FROM task_events e JOIN tasks t ON t.id = e.task_id
    WHERE e.at >= to_timestamp(%(since)s) AND e.at < to_timestamp(%(until)s) AND e.event = 'completed'
        AND e.run_seconds IS NOT NULL
    ORDER BY e.at DESC LIMIT %(limit)s
) last ORDER BY at
