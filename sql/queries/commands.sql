-- Operators' commands to tasks, one or many. Each statement locks its rows in id order, leaves out those whose state
-- does not allow it, and writes its audit rows itself.

-- name: cancel
-- Any unfinished state → cancelled. The unmet parents of a blocked task are kept for a retry.
WITH current AS MATERIALIZED (
    SELECT id, state, assigned_agent_id FROM tasks WHERE id = ANY(%(ids)s::uuid[]) AND finished_at IS NULL
    ORDER BY id FOR NO KEY UPDATE
), cancelled AS (
    UPDATE tasks t SET state = 'cancelled', finished_at = now(),
        unmet_parents = nullif(ARRAY(SELECT d.parent_id FROM task_dependencies d WHERE d.child_id = c.id), '{}'),
        error = jsonb_build_object('class', 'cancelled', 'message', %(reason)s::text)
    FROM current c WHERE t.id = c.id
    RETURNING t.id, t.attempt, c.state, t.queue, t.type, t.requires, t.priority,
        extract(epoch FROM t.ready_at)::float8 AS ready, c.assigned_agent_id,
        greatest(0, date_part('epoch', now() - t.created_at)) AS total_seconds
), cut AS (
    DELETE FROM task_dependencies d USING cancelled c WHERE d.child_id = c.id
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, agent_id, detail, queue, type,
        total_seconds)
    SELECT id, 'cancelled', state, 'cancelled', attempt, %(actor)s, assigned_agent_id,
        jsonb_build_object('reason', %(reason)s::text), queue, type, total_seconds
    FROM cancelled
)
SELECT id, state, queue, type, requires, priority, ready, attempt, assigned_agent_id FROM cancelled

-- name: lock_open
-- The unfinished ones of these tasks whose rows are not locked.
SELECT id FROM tasks WHERE id = ANY(%(ids)s::uuid[]) AND finished_at IS NULL ORDER BY id FOR NO KEY UPDATE SKIP LOCKED

-- name: retry
-- failed | cancelled → pending, with a new budget of attempts; or → scheduled, if its submitter set a time that is
-- still ahead (a time ahead after an attempt is a pause before the next one, which a retry ends). A task that waited
-- for others is left unchanged until all of them have completed.
WITH current AS MATERIALIZED (
    SELECT id, state, CASE WHEN attempt = refunded AND run_at > now() THEN run_at END AS due
    FROM tasks WHERE id = ANY(%(ids)s::uuid[]) AND state = ANY(%(states)s)
        AND NOT EXISTS (
            SELECT FROM unnest(unmet_parents) AS u(id)
            WHERE (SELECT p.state FROM tasks p WHERE p.id = u.id) IS DISTINCT FROM 'completed'
        )
    ORDER BY id FOR NO KEY UPDATE
), retried AS (
    UPDATE tasks t SET state = CASE WHEN c.due IS NULL THEN 'pending' ELSE 'scheduled' END, refunded = t.attempt,
        refunds = 0, ready_at = coalesce(c.due, now()), run_at = c.due, unmet_parents = NULL,
        finished_at = NULL, started_at = NULL, assigned_agent_id = NULL, assigned_at = NULL, error = NULL, progress = NULL,
        progress_message = NULL, waiting_on = 0
    FROM current c WHERE t.id = c.id
    RETURNING t.id, t.attempt, c.state AS from_state, t.state, t.queue, t.type, t.requires, t.priority,
        extract(epoch FROM t.ready_at)::float8 AS ready
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, detail)
    SELECT id, 'retried', from_state, state, attempt, %(actor)s, jsonb_build_object('reason', %(reason)s::text)
    FROM retried
)
SELECT id, state, queue, type, requires, priority, ready FROM retried

-- name: unmet_parents
-- The parents that keep a task from being retried: they have not completed (NULL: deleted).
SELECT u.id, p.state
FROM tasks t CROSS JOIN LATERAL unnest(t.unmet_parents) AS u(id) LEFT JOIN tasks p ON p.id = u.id
WHERE t.id = %(id)s::uuid AND p.state IS DISTINCT FROM 'completed'
ORDER BY u.id

-- name: held_back
-- The ones of these tasks that waited for tasks which have not completed.
SELECT t.id FROM tasks t
WHERE t.id = ANY(%(ids)s::uuid[]) AND EXISTS (
    SELECT FROM unnest(t.unmet_parents) AS u(id)
    WHERE (SELECT p.state FROM tasks p WHERE p.id = u.id) IS DISTINCT FROM 'completed'
)

-- name: reprioritise
-- Changes the priority of tasks that no agent has yet.
WITH current AS MATERIALIZED (
    SELECT id, priority FROM tasks WHERE id = ANY(%(ids)s::uuid[]) AND state = ANY(%(states)s)
    ORDER BY id FOR NO KEY UPDATE
), changed AS (
    UPDATE tasks t SET priority = %(priority)s FROM current c WHERE t.id = c.id
    RETURNING t.id, t.attempt, t.state, t.queue, t.type, t.requires, t.priority,
        extract(epoch FROM t.ready_at)::float8 AS ready, c.priority AS was
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, detail)
    SELECT id, 'reprioritised', state, state, attempt, %(actor)s,
        jsonb_strip_nulls(jsonb_build_object('from', was, 'to', priority, 'reason', nullif(%(reason)s::text, '')))
    FROM changed
)
SELECT id, state, queue, type, requires, priority, ready, was FROM changed

-- name: note_bulk
-- The audit row of a bulk operation.
INSERT INTO task_events (event, actor, detail) VALUES (%(event)s, %(actor)s, %(detail)s::jsonb)
