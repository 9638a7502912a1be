-- name: has_open_tasks
-- Whether any task has not ended.
SELECT EXISTS (SELECT FROM tasks WHERE finished_at IS NULL)

-- name: has_claims
-- Whether any task that was not seeded was given to an agent.
SELECT EXISTS (SELECT FROM tasks WHERE assigned_at IS NOT NULL AND created_by <> 'seed')

-- name: drain
-- How many tasks that were not seeded completed, from the first claim to the last commit (seconds), in how many ticks.
SELECT count(*), extract(epoch FROM max(finished_at) - min(assigned_at))::float8, count(DISTINCT assigned_at)
FROM tasks WHERE state = 'completed' AND created_by <> 'seed'

-- name: starts
-- When these tasks' handlers started.
SELECT id, extract(epoch FROM started_at)::float8 FROM tasks WHERE id = ANY(%(ids)s::uuid[])

-- name: empty
-- Removes every task and its traces.
TRUNCATE tasks, task_events, task_dependencies, agents, metric_counts, metric_progress, metric_samples

-- name: empty_unseeded
-- Removes every task that was not seeded; their traces stay.
DELETE FROM tasks WHERE created_by <> 'seed'
