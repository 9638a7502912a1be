-- What operators do to tasks, one or many. Each statement locks its rows in id order, leaves out those whose state does
-- not allow it, and writes its audit rows itself.

-- name: cancel
-- Any open state → cancelled.
WITH current AS MATERIALIZED (
    SELECT id, state, assigned_agent_id FROM tasks WHERE id = ANY(%(ids)s::uuid[]) AND finished_at IS NULL
    ORDER BY id FOR NO KEY UPDATE
), cancelled AS (
    UPDATE tasks t SET state = 'cancelled', finished_at = now(),
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

-- name: retry
-- failed | cancelled → pending, with a whole new budget of attempts.
WITH current AS MATERIALIZED (
    SELECT id, state FROM tasks WHERE id = ANY(%(ids)s::uuid[]) AND state IN ('failed', 'cancelled')
    ORDER BY id FOR NO KEY UPDATE
), retried AS (
    UPDATE tasks t SET state = 'pending', refunded = t.attempt, refunds = 0, ready_at = now(), run_at = NULL,
        finished_at = NULL, started_at = NULL, assigned_agent_id = NULL, assigned_at = NULL, error = NULL, progress = NULL,
        progress_message = NULL, waiting_on = 0
    FROM current c WHERE t.id = c.id
    RETURNING t.id, t.attempt, c.state AS from_state, t.state, t.queue, t.type, t.requires, t.priority,
        extract(epoch FROM t.ready_at)::float8 AS ready
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, detail)
    SELECT id, 'retried', from_state, 'pending', attempt, %(actor)s, jsonb_build_object('reason', %(reason)s::text)
    FROM retried
)
SELECT id, state, queue, type, requires, priority, ready FROM retried

-- name: reprioritise
-- Another priority for tasks that no agent has yet.
WITH current AS MATERIALIZED (
    SELECT id, priority FROM tasks WHERE id = ANY(%(ids)s::uuid[]) AND state IN ('blocked', 'scheduled', 'pending')
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
-- The audit row of an operation on many tasks.
INSERT INTO task_events (event, actor, detail) VALUES (%(event)s, %(actor)s, %(detail)s::jsonb)
