-- What is learned of run times, and how well predictions held.

-- name: sketches
-- Every key with what is known of its run times, the one that learned longest ago first.
SELECT key, runs, mean_seconds, mean_runs, weights FROM run_time_sketches ORDER BY changed_at, key

-- name: runs
-- How many run times of each of these keys were learned.
SELECT key, runs FROM run_time_sketches WHERE key = ANY(%(keys)s)

-- name: save_sketches
-- Stores what is known of keys, in the order in which they learned.
INSERT INTO run_time_sketches (key, runs, mean_seconds, mean_runs, weights, changed_at)
SELECT s.key, s.runs, s.mean_seconds, s.mean_runs, s.weights, statement_timestamp() + number * interval '1 microsecond'
FROM unnest(%(keys)s::text[], %(runs)s::bigint[], %(means)s::float8[], %(mean_runs)s::float8[], %(weights)s::jsonb[])
    WITH ORDINALITY AS s(key, runs, mean_seconds, mean_runs, weights, number)
ON CONFLICT (key) DO UPDATE SET runs = excluded.runs, mean_seconds = excluded.mean_seconds,
    mean_runs = excluded.mean_runs, weights = excluded.weights, changed_at = excluded.changed_at

-- name: forget_sketches
-- Deletes keys; NULL: all of them.
DELETE FROM run_time_sketches WHERE %(keys)s::text[] IS NULL OR key = ANY(%(keys)s)

-- name: ended
-- What these tasks' run times are predicted by, and were predicted to be.
SELECT id, type, queue, created_by, size, predicted_seconds, predicted_low, predicted_high,
    coalesce(predicted_mean, predicted_seconds), timeout_seconds
FROM tasks WHERE id = ANY(%(ids)s::uuid[])

-- name: running
-- What these running tasks are placed and predicted by; without those that wait for signals or times.
SELECT id, queue, type, requires, created_by, size FROM tasks
WHERE id = ANY(%(ids)s::uuid[]) AND suspension IS NULL AND has_signals IS NOT TRUE

-- name: starts
-- Whether these tasks wait still, and when they started or got their agents (epoch seconds).
SELECT id, state IN ('pending', 'scheduled'), date_part('epoch', coalesce(started_at, assigned_at))
FROM tasks WHERE id = ANY(%(ids)s::uuid[])

-- name: add_hours
-- Adds results to the hours in which tasks ended.
INSERT INTO prediction_hours (hour, type, tasks, below, above, log_error, log_bias, places)
SELECT to_timestamp(h.hour), h.type, h.tasks, h.below, h.above, h.log_error, h.log_bias, h.places::bigint[]
FROM unnest(%(hours)s::float8[], %(types)s::text[], %(tasks)s::bigint[], %(below)s::bigint[], %(above)s::bigint[],
    %(errors)s::float8[], %(biases)s::float8[], %(places)s::text[])
    AS h(hour, type, tasks, below, above, log_error, log_bias, places)
ORDER BY h.hour, h.type
ON CONFLICT (hour, type) DO UPDATE SET tasks = prediction_hours.tasks + excluded.tasks,
    below = prediction_hours.below + excluded.below, above = prediction_hours.above + excluded.above,
    log_error = prediction_hours.log_error + excluded.log_error, log_bias = prediction_hours.log_bias + excluded.log_bias,
    places = ARRAY(SELECT a + b FROM unnest(prediction_hours.places, excluded.places) AS p(a, b))

-- name: days
-- How predictions held by type and day of a time zone.
SELECT type, date_trunc('day', hour AT TIME ZONE %(zone)s)::date AS day, sum(tasks)::bigint, sum(below)::bigint,
    sum(above)::bigint, sum(log_error), sum(log_bias), ARRAY[sum(places[1]), sum(places[2]), sum(places[3]),
    sum(places[4]), sum(places[5]), sum(places[6]), sum(places[7]), sum(places[8]), sum(places[9]),
    sum(places[10])]::bigint[]
FROM prediction_hours WHERE hour >= %(since)s AND hour < %(until)s GROUP BY 1, 2 ORDER BY 1, 2

-- name: last_ended
-- The last tasks that completed with a prediction: what it said and how long they ran, in seconds.
SELECT id, type, predicted_seconds, predicted_low, predicted_high, run_seconds FROM (
    SELECT t.id, t.type, t.predicted_seconds, t.predicted_low, t.predicted_high, t.finished_at,
        greatest(0, date_part('epoch', t.finished_at - t.started_at)) AS run_seconds
    FROM tasks t
    WHERE t.finished_at >= %(since)s AND t.finished_at < %(until)s AND t.state = 'completed'
        AND t.predicted_seconds IS NOT NULL AND t.started_at IS NOT NULL
        AND (%(types)s::text[] IS NULL OR t.type = ANY(%(types)s)) AND (%(queues)s::text[] IS NULL OR t.queue = ANY(%(queues)s))
    ORDER BY t.finished_at DESC LIMIT %(limit)s
) last

-- name: prune_hours
-- Deletes hours before a time.
DELETE FROM prediction_hours WHERE hour < %(before)s

-- name: state
-- A part of what is learned that has no table of its own.
SELECT value FROM learning_state WHERE name = %(name)s

-- name: set_state
-- Stores such a part.
INSERT INTO learning_state (name, value) VALUES (%(name)s, %(value)s::jsonb)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_at = now()

-- name: history
-- Attempts that succeeded in a span, and tasks that reached their time limit, in the order of their ends, with the
-- inputs of those types that are predicted by fields of them.
SELECT t.type, t.created_by, e.run_seconds, e.event = 'completed', t.timeout_seconds, length(t.input::text),
    CASE WHEN t.type = ANY(%(types)s) THEN t.input::text END
FROM task_events e JOIN tasks t ON t.id = e.task_id
WHERE e.at >= %(since)s AND e.at < %(until)s
    AND ((e.event = 'completed' AND e.run_seconds IS NOT NULL)
        OR (e.event = 'failed' AND e.detail ->> 'class' = 'timeout'))
ORDER BY e.at, e.task_id LIMIT %(limit)s

-- name: first_event
-- When the audit log begins.
SELECT min(at) FROM task_events

-- name: note
-- An operator's change to what is learned.
INSERT INTO task_events (event, actor, detail) VALUES (%(event)s, %(actor)s, %(detail)s::jsonb)

-- name: factors
-- What is known of agents by type, the one that learned longest ago first.
SELECT agent, type, runs, log_ratio, variance, attempts, success FROM agent_factors ORDER BY changed_at, agent, type

-- name: save_factors
-- Stores what is known of agents by type, in the order in which they learned.
INSERT INTO agent_factors (agent, type, runs, log_ratio, variance, attempts, success, changed_at)
SELECT f.agent, f.type, f.runs, f.log_ratio, f.variance, f.attempts, f.success,
    statement_timestamp() + number * interval '1 microsecond'
FROM unnest(%(agents)s::text[], %(types)s::text[], %(runs)s::float8[], %(ratios)s::float8[], %(variances)s::float8[],
    %(attempts)s::float8[], %(successes)s::float8[])
    WITH ORDINALITY AS f(agent, type, runs, log_ratio, variance, attempts, success, number)
ON CONFLICT (agent, type) DO UPDATE SET runs = excluded.runs, log_ratio = excluded.log_ratio,
    variance = excluded.variance, attempts = excluded.attempts, success = excluded.success,
    changed_at = excluded.changed_at

-- name: forget_factors
-- Deletes what is known of these agents and types.
DELETE FROM agent_factors f USING unnest(%(agents)s::text[], %(types)s::text[]) AS g(agent, type)
WHERE f.agent = g.agent AND f.type = g.type
