-- Retries of tasks that belong to others: what is to be known for a plan, and what becomes of its tasks. The rows of these
-- are locked by `lock` before any other statement changes them. Look-ups go by an index from one row to the next.

-- name: above
-- These tasks, and the failed and cancelled ones that keep them from starting, directly or not.
WITH RECURSIVE above AS (
    SELECT f.id FROM unnest(%(ids)s::uuid[]) AS f(id)
    UNION
    SELECT u.parent_id
    FROM above a
    CROSS JOIN LATERAL (
        SELECT d.parent_id FROM task_dependencies d
        WHERE d.child_id = a.id AND d.kind = 'after' AND d.met_at IS NULL AND d.condition <> 'ended'
            AND (
                SELECT state_for_children(p.state, p.failed_before) FROM tasks p WHERE p.id = d.parent_id
            ) = ANY(
                CASE d.condition WHEN 'failed' THEN ARRAY['cancelled'] ELSE ARRAY['failed', 'cancelled'] END)
    ) u
)
SELECT id FROM above LIMIT %(limit)s::int

-- name: below
-- These tasks, and all that were submitted to start after them, directly or not; the nearest come first.
WITH RECURSIVE below AS (
    SELECT f.id FROM unnest(%(ids)s::uuid[]) AS f(id)
    UNION
    SELECT d.child_id
    FROM below b
    CROSS JOIN LATERAL (
        SELECT d.child_id FROM task_dependencies d WHERE d.parent_id = b.id AND d.kind = 'after'
    ) d
)
SELECT id FROM below LIMIT %(limit)s::int

-- name: cancelled_below
-- How many of the tasks below one are cancelled, of the nearest ones.
WITH RECURSIVE below AS (
    SELECT %(id)s::uuid AS id
    UNION
    SELECT d.child_id
    FROM below b
    CROSS JOIN LATERAL (
        SELECT d.child_id FROM task_dependencies d WHERE d.parent_id = b.id AND d.kind = 'after'
    ) d
), nearest AS MATERIALIZED (
    SELECT id FROM below LIMIT %(limit)s::int
)
SELECT count(*) FROM nearest n
CROSS JOIN LATERAL (SELECT FROM tasks t WHERE t.id = n.id AND t.state = 'cancelled' AND n.id <> %(id)s::uuid) t

-- name: nodes
-- What a plan needs to know of these tasks.
SELECT t.id, t.state, t.type, t.queue, t.title, t.workflow_id,
    t.attempt = t.refunded AND t.suspension IS NULL AND t.run_at > now() AS is_due_later,
    i.task_id IS NOT NULL AS has_input, i.task_id IS NOT NULL AND i.resolved_at IS NULL AS lacks_input,
    t.workflow_key
FROM unnest(%(ids)s::uuid[]) AS f(id)
JOIN LATERAL (SELECT * FROM tasks t WHERE t.id = f.id) t ON true
LEFT JOIN LATERAL (SELECT i.task_id, i.resolved_at FROM task_inputs i WHERE i.task_id = f.id) i ON true

-- name: edges
-- What these tasks were submitted to start after, and how that ended for them.
SELECT d.parent_id, d.child_id, d.condition, d.is_open, d.met_at IS NOT NULL, (
        SELECT CASE WHEN p.failed_before AND d.condition = 'failed' THEN 'failed' ELSE p.state END
        FROM tasks p WHERE p.id = d.parent_id
    )
FROM unnest(%(ids)s::uuid[]) AS f(id)
CROSS JOIN LATERAL (SELECT * FROM task_dependencies d WHERE d.child_id = f.id AND d.kind = 'after') d
LIMIT %(limit)s::int

-- name: lock
-- Locks these tasks until the end of the transaction.
SELECT FROM tasks WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE

-- name: open_edges
-- Makes children wait for their parents once more.
UPDATE task_dependencies d SET is_open = true, met_at = NULL
FROM unnest(%(parents)s::uuid[], %(children)s::uuid[]) AS e(parent_id, child_id)
WHERE d.parent_id = e.parent_id AND d.child_id = e.child_id AND d.kind = 'after'

-- name: meet_edges
-- Notes that parents ended as their children wait for.
UPDATE task_dependencies d SET is_open = false, met_at = now()
FROM unnest(%(parents)s::uuid[], %(children)s::uuid[]) AS e(parent_id, child_id)
WHERE d.parent_id = e.parent_id AND d.child_id = e.child_id AND d.kind = 'after'

-- name: block
-- Tasks that run again after others → blocked, as they were submitted: with a new budget of attempts, their time if it
-- was given by their submitter, and without anything of earlier attempts. What was queued is returned as it was.
WITH wanted AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(starts)s::uuid[], %(waiting_on)s::int[]) AS w(id, start, waiting_on)
), current AS MATERIALIZED (
    SELECT t.id, t.state, t.ready_at, t.attempt > 0 AS has_run, w.start, w.waiting_on,
        CASE WHEN t.attempt = t.refunded AND t.suspension IS NULL THEN t.run_at END AS due,
        (SELECT i.template FROM task_inputs i WHERE i.task_id = t.id) AS template
    FROM wanted w CROSS JOIN LATERAL (SELECT * FROM tasks t WHERE t.id = w.id) t
), input_again AS (
    UPDATE task_inputs SET is_due = false, resolved_at = NULL WHERE task_id = ANY(ARRAY(SELECT id FROM current))
), unsignalled AS (
    DELETE FROM task_signals WHERE task_id = ANY(ARRAY(SELECT id FROM current WHERE has_run))
), blocked AS (
    UPDATE tasks t SET state = 'blocked', waiting_on = c.waiting_on, refunded = t.attempt, refunds = 0,
        retry_afters = NULL, suspension = NULL,
        has_signals = CASE WHEN c.has_run THEN NULL ELSE t.has_signals END,
        run_at = c.due, ready_at = greatest(now(), c.due), finished_at = NULL, started_at = NULL, failed_before = NULL,
        assigned_agent_id = NULL, assigned_at = NULL, input = coalesce(c.template, t.input), output = NULL,
        error = NULL, progress = NULL, progress_message = NULL, checkpoint = NULL, checkpoint_children = NULL
    FROM current c WHERE t.id = c.id
    RETURNING t.id, c.state, t.queue, t.type, t.requires, t.priority, extract(epoch FROM c.ready_at)::float8 AS ready,
        coalesce(t.head_start, 0) AS head_start, t.attempt, c.start
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, detail)
    SELECT id, 'retried', state, 'blocked', attempt, %(actor)s,
        jsonb_build_object('reason', %(reason)s::text, 'scope', %(scope)s::text, 'start', start)
    FROM blocked WHERE state <> 'blocked'
)
SELECT id, state, queue, type, requires, priority, ready, head_start FROM blocked WHERE state IN ('pending', 'scheduled')

-- name: reopen_workflows
-- Workflows whose tasks run again have not ended.
WITH current AS MATERIALIZED (
    SELECT id FROM workflows WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE
)
UPDATE workflows w SET ended_at = NULL, state = NULL, counts = NULL, cancelled_at = NULL FROM current c WHERE w.id = c.id
