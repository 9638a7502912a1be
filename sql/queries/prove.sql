-- name: outcomes
-- Every task's state, and how often its log says that it ended; a late report of the same end is no transition.
SELECT t.id, t.state, t.attempt,
    (SELECT count(*) FROM task_events e WHERE e.task_id = t.id AND e.event <> 'log' AND e.from_state IS DISTINCT FROM e.to_state
        AND e.to_state IN ('completed', 'failed', 'cancelled'))
FROM tasks t

-- name: open_of_agent
-- How many tasks a boot of an agent still has.
SELECT count(*) FROM tasks WHERE finished_at IS NULL AND assigned_agent_id = %(agent)s::text

-- name: open_tasks
-- How many tasks have not ended.
SELECT count(*) FROM tasks WHERE finished_at IS NULL

-- name: connections
-- How many clients are connected to this database.
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'

-- name: unfinished
-- How many of these tasks have not ended.
SELECT count(*) FROM tasks WHERE finished_at IS NULL AND id = ANY(%(ids)s::uuid[])

-- name: titled
-- Every task whose title begins so, with that title.
SELECT id, title FROM tasks WHERE starts_with(title, %(prefix)s)

-- name: fire_times
-- The fire times that submitted a task or a workflow, by schedule and time.
SELECT s.name, f.fire_time, coalesce(f.task_id, f.workflow_id)::text
FROM schedule_fires f JOIN schedules s ON s.id = f.schedule_id
WHERE f.outcome = 'submitted' ORDER BY s.name, f.fire_time

-- name: scheduled
-- What schedules submitted: tasks, and workflows.
SELECT id::text FROM tasks WHERE starts_with(created_by, 'schedule:') AND workflow_key IS NULL
UNION ALL
SELECT id::text FROM workflows WHERE starts_with(created_by, 'schedule:')

-- name: scheduled_tasks
-- The tasks of that.
SELECT id::text FROM tasks WHERE starts_with(created_by, 'schedule:') ORDER BY id

-- name: due_workflows
-- How many fire times have a workflow that is still to be submitted.
SELECT count(*) FROM schedule_fires WHERE outcome = 'due'
