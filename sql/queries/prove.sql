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

-- name: workflows
-- Every workflow with what it ended as, and how many tasks it has that have not ended.
SELECT w.id, w.title, w.parent_task_id, w.cancelled_at IS NOT NULL, w.state, w.counts,
    (SELECT count(*) FROM tasks t WHERE t.workflow_id = w.id AND t.finished_at IS NULL)
FROM workflows w ORDER BY w.id

-- name: nodes
-- Every task of a workflow: how often it was retried after an end, and how often its log says that it ended; whether it
-- has an error, what it got and made, and what its input was to be made of.
WITH endings AS MATERIALIZED (
    SELECT task_id,
        count(*) FILTER (WHERE event = 'retried' AND from_state IN ('completed', 'failed', 'cancelled')) AS retries,
        count(*) FILTER (WHERE event <> 'log' AND to_state IN ('completed', 'failed', 'cancelled')) AS endings
    FROM task_events WHERE from_state IS DISTINCT FROM to_state GROUP BY task_id
)
SELECT t.id, t.workflow_id, t.workflow_key, t.type, t.state, t.attempt, coalesce(e.retries, 0), coalesce(e.endings, 0),
    t.error IS NOT NULL, t.input, t.output, i.template, coalesce(i.is_due, false)
FROM tasks t LEFT JOIN endings e ON e.task_id = t.id LEFT JOIN task_inputs i ON i.task_id = t.id
WHERE t.workflow_id IN (SELECT id FROM workflows)
ORDER BY t.id

-- name: edges
-- Every edge, with the states of its parent, as those who wait for it see it, and its child.
SELECT d.parent_id, d.child_id, d.condition, d.kind, d.is_open, d.met_at IS NOT NULL,
    state_for_children(p.state, p.failed_before), c.state
FROM task_dependencies d JOIN tasks p ON p.id = d.parent_id JOIN tasks c ON c.id = d.child_id
ORDER BY d.child_id, d.parent_id

-- name: questions
-- Every question with its answers, the kinds of the signals that its task got for it, and whether that was retried.
SELECT q.id, q.task_id, q.key, q.state, q.needs, t.state, t.output,
    (SELECT coalesce(json_agg(json_build_array(a.answered_by, a.decision, a.data) ORDER BY a.at), '[]')
        FROM question_answers a WHERE a.question_id = q.id),
    (SELECT coalesce(array_agg(s.kind ORDER BY s.number), '{}') FROM task_signals s
        WHERE s.task_id = q.task_id AND s.name = 'ask:' || q.key),
    (SELECT count(*) FROM task_events e WHERE e.task_id = q.task_id AND e.event = 'retried')
FROM questions q JOIN tasks t ON t.id = q.task_id ORDER BY q.task_id, q.asked_at

-- name: open_workflows
-- How many workflows have not ended.
SELECT count(*) FROM workflows WHERE ended_at IS NULL

-- name: recent_workflows
-- Some of the newest workflows, but for those of schedules: these are to complete.
SELECT id, id FROM workflows WHERE NOT starts_with(created_by, 'schedule:') ORDER BY id DESC LIMIT 30

-- name: open_nodes
-- Some open tasks of workflows.
SELECT id, workflow_id FROM tasks
WHERE finished_at IS NULL AND workflow_id IN (SELECT id FROM workflows)
    AND NOT starts_with(created_by, 'schedule:')
ORDER BY id DESC LIMIT 50

-- name: ended_nodes
-- Some tasks of new workflows that failed or were cancelled.
SELECT id, workflow_id FROM tasks
WHERE state IN ('failed', 'cancelled') AND workflow_id IN (SELECT id FROM workflows)
    AND NOT starts_with(created_by, 'schedule:')
ORDER BY id DESC LIMIT 50
