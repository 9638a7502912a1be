-- name: has_open_tasks
-- Whether any task has not ended.
SELECT EXISTS (SELECT FROM tasks WHERE finished_at IS NULL)

-- name: has_claims
-- Whether any task was given to an agent since a time (epoch seconds).
SELECT EXISTS (SELECT FROM task_events WHERE event = 'assigned' AND at >= to_timestamp(%(since)s))

-- name: drain
-- How many tasks submitted since a time completed, the seconds from the first claim to the last commit, and the number
-- of ticks.
SELECT count(*), extract(epoch FROM max(finished_at) - min(assigned_at))::float8, count(DISTINCT assigned_at)
FROM tasks WHERE state = 'completed' AND created_at >= to_timestamp(%(since)s)

-- name: starts
-- When these tasks' handlers started.
SELECT id, extract(epoch FROM started_at)::float8 FROM tasks WHERE id = ANY(%(ids)s::uuid[])

-- name: seconds_to_end
-- How long each of these tasks took from its submission to its end.
SELECT extract(epoch FROM finished_at - created_at)::float8 FROM tasks WHERE id = ANY(%(ids)s::uuid[]) AND state = 'completed'

-- name: empty
-- Removes every task and its traces.
TRUNCATE tasks, task_events, task_dependencies, task_inputs, workflows, agents, metric_counts, metric_progress, metric_samples,
    failure_counts, failure_groups, run_time_sketches, prediction_hours, agent_factors, learning_state, policy_replays

-- name: vacuum
-- Does autovacuum's work now, so that it does not run in the middle of a measurement.
VACUUM (ANALYZE) tasks, task_events

-- name: fail_some
-- Marks this many completed tasks as failed.
UPDATE tasks SET state = 'failed', output = NULL,
    error = '{"class": "transient", "message": "the disk was full", "fingerprint": "benchmark"}'
WHERE id IN (SELECT id FROM tasks WHERE state = 'completed' ORDER BY id DESC LIMIT %(count)s)

-- name: insert_task
-- Adds a task without its event.
INSERT INTO tasks (id, queue, type, state, priority, input, max_attempts, timeout_seconds, ready_at, created_at)
VALUES (%(id)s, 'default', 'diagnostic.noop', 'pending', 1, '{}', 3, 60, now(), now())

-- name: tasks_out
-- All tasks in COPY's text format.
COPY (SELECT * FROM tasks) TO STDOUT

-- name: tasks_in
-- Adds what tasks_out gave.
COPY tasks FROM STDIN

-- name: events_out
-- All events in COPY's text format.
COPY (SELECT * FROM task_events) TO STDOUT

-- name: events_in
-- Adds what events_out gave.
COPY task_events FROM STDIN

-- name: wal_position
-- How many bytes of WAL were written since the server was made.
SELECT (pg_current_wal_insert_lsn() - '0/0')::float8
