-- Lists workflows, ends them, and cancels them. Tasks belong to a workflow by their workflow_id; those that handlers
-- submitted have no key. A cancelled task without an error was not cancelled by anybody: a parent ended otherwise than
-- it waited for.

-- name: page
-- Workflows before an id, newest first. Without an end, a state is one of its tasks': `is_open` asks for those.
SELECT w.id, w.kind, w.name, w.title, w.tasks, w.parent_task_id, w.created_by, w.created_at, w.cancelled_at, w.ended_at,
    w.state, w.counts
FROM workflows w
WHERE (%(before)s::uuid IS NULL OR w.id < %(before)s::uuid)
    AND (%(ids)s::uuid[] IS NULL OR w.id = ANY(%(ids)s::uuid[]))
    AND (%(name)s::text IS NULL OR w.name = %(name)s)
    AND (%(created_by)s::text IS NULL OR w.created_by = %(created_by)s)
    AND (%(parent)s::uuid IS NULL OR w.parent_task_id = %(parent)s::uuid)
    AND (%(pattern)s::text IS NULL OR w.name ILIKE %(pattern)s OR w.title ILIKE %(pattern)s OR w.id::text ILIKE %(pattern)s)
    AND (%(states)s::text[] IS NULL OR w.state = ANY(%(states)s::text[]) OR (%(is_open)s AND w.ended_at IS NULL))
ORDER BY w.id DESC LIMIT %(limit)s

-- name: figures
-- The tasks of workflows by queue, type and state: how many; how many can't start for a parent's end; the run times of
-- those that completed in seconds; the progress of those that run.
SELECT t.workflow_id, t.queue, t.type, t.state, count(*),
    count(*) FILTER (WHERE t.state = 'cancelled' AND t.error IS NULL AND NOT EXISTS (
        SELECT FROM task_dependencies d JOIN tasks p ON p.id = d.parent_id
        WHERE d.child_id = t.id AND d.condition = 'failed' AND p.state = 'completed'
    )),
    coalesce(sum(date_part('epoch', t.finished_at - t.started_at)) FILTER (WHERE t.state = 'completed'), 0),
    coalesce(sum(t.progress) FILTER (WHERE t.state = 'in_progress'), 0)
FROM tasks t WHERE t.workflow_id = ANY(%(ids)s::uuid[])
GROUP BY 1, 2, 3, 4

-- name: mean_seconds
-- The mean run times of task types in the last days.
SELECT type, sum(run_seconds) / sum(ran)
FROM metric_counts CROSS JOIN LATERAL (SELECT sum(n) AS ran FROM unnest(run_counts) n) r
WHERE level_seconds = 3600 AND at > now() - make_interval(days => %(days)s) AND type = ANY(%(types)s)
GROUP BY type HAVING sum(ran) > 0

-- name: nodes
-- The tasks of a workflow in the order of their submission.
SELECT t.id, t.workflow_key, t.type, t.queue, t.title, t.state, t.attempt, t.progress, t.created_at, t.started_at,
    t.finished_at, CASE WHEN t.workflow_key IS NULL THEN left(t.idempotency_key, 36) END, coalesce(t.failed_before, false),
    t.run_at
FROM tasks t WHERE t.workflow_id = %(id)s::uuid ORDER BY t.id LIMIT %(limit)s

-- name: edges
-- The edges between the tasks of a workflow.
SELECT d.parent_id, d.child_id, d.condition, d.is_open, d.met_at
FROM tasks t JOIN task_dependencies d ON d.child_id = t.id AND d.kind = 'after'
WHERE t.workflow_id = %(id)s::uuid LIMIT %(limit)s

-- name: submitted
-- Workflows that handlers of a workflow's tasks submitted, in the order of their submission.
SELECT w.id, w.name, w.title, w.state, w.parent_task_id
FROM tasks t JOIN workflows w ON w.parent_task_id = t.id
WHERE t.workflow_id = %(id)s::uuid ORDER BY w.id LIMIT %(limit)s

-- name: without_open_tasks
-- Those of a slice of the open workflows that have no open task, locked, with their numbers of tasks; and the last id of
-- the slice if there may be more. What is locked is passed over.
WITH slice AS MATERIALIZED (
    SELECT id FROM workflows WHERE ended_at IS NULL AND id > %(after)s::uuid ORDER BY id LIMIT %(limit)s
), over AS MATERIALIZED (
    SELECT s.id FROM slice s
    WHERE NOT EXISTS (
        SELECT FROM tasks t WHERE t.workflow_id = s.id AND t.workflow_id IS NOT NULL AND t.finished_at IS NULL
    )
)
SELECT w.id, w.tasks, (SELECT CASE WHEN count(*) = %(limit)s THEN max(id::text) END FROM slice)
FROM (SELECT 1) one
LEFT JOIN LATERAL (
    SELECT x.id, x.tasks FROM over o
    CROSS JOIN LATERAL (SELECT x.id, x.tasks FROM workflows x WHERE x.id = o.id FOR NO KEY UPDATE SKIP LOCKED) x
) w ON true
ORDER BY w.id

-- name: end
-- Stores the ends of locked workflows. Their tasks are looked at again: somebody may have retried one before the lock.
WITH over AS MATERIALIZED (
    SELECT i.id, c.*
    FROM unnest(%(ids)s::uuid[]) AS i(id)
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(s.open), 0) AS open, max(s.ended_at) AS ended_at,
            coalesce(jsonb_object_agg(s.state, s.count) FILTER (WHERE s.state IS NOT NULL), '{}') AS counts,
            coalesce(bool_or(s.state = 'failed'), false) AS has_failed,
            coalesce(sum(s.by_somebody), 0) > 0 AS has_cancelled
        FROM (
            SELECT t.state, count(*) AS count, count(*) FILTER (WHERE t.finished_at IS NULL) AS open,
                max(t.finished_at) AS ended_at,
                count(*) FILTER (WHERE t.state = 'cancelled' AND t.error IS NOT NULL) AS by_somebody
            FROM tasks t WHERE t.workflow_id = i.id GROUP BY t.state
        ) s
    ) c
), ended AS (
    UPDATE workflows w SET ended_at = coalesce(o.ended_at, now()), counts = o.counts,
        state = CASE WHEN w.cancelled_at IS NOT NULL THEN 'cancelled' WHEN o.has_failed THEN 'failed'
            WHEN o.has_cancelled THEN 'cancelled' ELSE 'completed' END
    FROM over o WHERE w.id = o.id AND o.open = 0
    RETURNING w.id, w.name, w.state, w.counts
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'workflow_ended', 'dispatcher',
        jsonb_build_object('workflow_id', id, 'name', name, 'state', state, 'counts', counts)
    FROM ended
)
SELECT id FROM ended

-- name: cancel
-- Marks an open workflow as cancelled, before its tasks are.
WITH cancelled AS (
    UPDATE workflows SET cancelled_at = now() WHERE id = %(id)s::uuid AND ended_at IS NULL AND cancelled_at IS NULL
    RETURNING id, name
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'workflow_cancelled', %(actor)s::text,
        jsonb_build_object('workflow_id', id, 'name', name, 'reason', %(reason)s::text)
    FROM cancelled
)
SELECT id FROM cancelled

-- name: open_tasks
-- Open tasks of a workflow, and of those that handlers of its tasks submitted, running ones first.
WITH RECURSIVE inner_ones AS (
    SELECT %(id)s::uuid AS id
    UNION
    SELECT w.id FROM inner_ones i JOIN tasks t ON t.workflow_id = i.id JOIN workflows w ON w.parent_task_id = t.id
)
SELECT t.id FROM inner_ones i JOIN tasks t ON t.workflow_id = i.id
WHERE t.finished_at IS NULL ORDER BY t.assigned_agent_id IS NULL, t.id LIMIT %(limit)s

-- name: to_retry
-- The failed and cancelled tasks of a workflow.
SELECT id FROM tasks WHERE workflow_id = %(id)s::uuid AND state IN ('failed', 'cancelled') ORDER BY id

-- name: note_retry
-- Forgets that a workflow was cancelled, and writes the audit row of its retry.
WITH retried AS (
    UPDATE workflows SET cancelled_at = NULL, ended_at = NULL, state = NULL, counts = NULL WHERE id = %(id)s::uuid
    RETURNING id, name
)
INSERT INTO task_events (event, actor, detail)
SELECT 'workflow_retried', %(actor)s,
    jsonb_build_object('workflow_id', id, 'name', name, 'reason', %(reason)s::text, 'tasks', %(tasks)s::int)
FROM retried

-- name: prune
-- Deletes some workflows that ended longer ago than the limit and have no tasks any more; returns how many.
WITH gone AS (
    DELETE FROM workflows WHERE id = ANY(ARRAY(
        SELECT w.id FROM workflows w
        WHERE w.ended_at < now() - make_interval(days => %(days)s)
            AND NOT EXISTS (SELECT FROM tasks t WHERE t.workflow_id = w.id)
        LIMIT %(limit)s
    )) RETURNING 1
)
SELECT count(*) FROM gone
