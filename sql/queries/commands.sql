-- Operators' commands to tasks, one or many. Each statement locks its rows in id order, leaves out those whose state
-- does not allow it, and writes its audit rows itself.

-- name: cancel
-- Any unfinished state → cancelled. The edges of what it waited for stay, closed and not met; what it asked is withdrawn.
WITH current AS MATERIALIZED (
    SELECT id, state, assigned_agent_id FROM tasks WHERE id = ANY(%(ids)s::uuid[]) AND finished_at IS NULL
    ORDER BY id FOR NO KEY UPDATE
), cancelled AS (
    UPDATE tasks t SET state = 'cancelled', finished_at = now(),
        error = jsonb_build_object('class', 'cancelled', 'message', %(reason)s::text)
    FROM current c WHERE t.id = c.id
    RETURNING t.id, t.attempt, c.state, t.queue, t.type, t.requires, t.priority,
        extract(epoch FROM t.ready_at)::float8 AS ready, coalesce(t.head_start, 0) AS head_start, c.assigned_agent_id,
        greatest(0, date_part('epoch', now() - t.created_at)) AS total_seconds
), cut AS (
    UPDATE task_dependencies SET is_open = false
    WHERE child_id = ANY(ARRAY(SELECT id FROM cancelled WHERE state IN ('blocked', 'suspended'))) AND is_open
), withdrawn AS (
    UPDATE questions SET state = 'withdrawn', ended_at = now()
    WHERE task_id = ANY(ARRAY(SELECT id FROM cancelled WHERE state = 'suspended')) AND state = 'open'
    RETURNING id, task_id, key, question
), withdrawals AS (
    INSERT INTO task_events (task_id, event, attempt, actor, detail)
    SELECT w.task_id, 'question_withdrawn', c.attempt, %(actor)s,
        jsonb_build_object('question', w.id, 'name', w.key, 'text', w.question)
    FROM withdrawn w JOIN cancelled c ON c.id = w.task_id
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, agent_id, detail, queue, type,
        total_seconds)
    SELECT id, 'cancelled', state, 'cancelled', attempt, %(actor)s, assigned_agent_id,
        jsonb_build_object('reason', %(reason)s::text), queue, type, total_seconds
    FROM cancelled
)
SELECT id, state, queue, type, requires, priority, ready, head_start, attempt, assigned_agent_id FROM cancelled

-- name: lock_open
-- The unfinished ones of these tasks whose rows are not locked.
SELECT id FROM tasks WHERE id = ANY(%(ids)s::uuid[]) AND finished_at IS NULL ORDER BY id FOR NO KEY UPDATE SKIP LOCKED

-- name: retry
-- failed | cancelled → pending, with a new budget of attempts; or → scheduled, if its submitter set a time that is
-- still ahead (a time ahead after an attempt is a pause before the next one, which a retry ends); or → blocked, until
-- its input is made of its parents' outputs. A task is left unchanged until what it waited for ended as it should. It
-- asks people again, and waits again, for what it had an answer or a timeout after its checkpoint.
-- `starts` are the tasks for whose sake these run again, as `scope` says; NULL: each for its own.
WITH current AS MATERIALIZED (
    SELECT t.id, t.state,
        CASE WHEN t.attempt = t.refunded AND t.suspension IS NULL AND t.run_at > now() THEN t.run_at END AS due,
        coalesce((SELECT i.resolved_at IS NULL FROM task_inputs i WHERE i.task_id = t.id), false) AS lacks_input
    FROM tasks t WHERE t.id = ANY(%(ids)s::uuid[]) AND t.state = ANY(%(states)s)
        AND NOT EXISTS (SELECT FROM unmet_parents u WHERE u.child_id = t.id)
    ORDER BY t.id FOR NO KEY UPDATE
), met AS (
    UPDATE task_dependencies SET met_at = now()
    WHERE child_id = ANY(ARRAY(SELECT id FROM current)) AND kind = 'after' AND met_at IS NULL
), input_due AS (
    UPDATE task_inputs SET is_due = true WHERE task_id = ANY(ARRAY(SELECT id FROM current WHERE lacks_input))
), retried AS (
    UPDATE tasks t SET state = CASE
            WHEN c.lacks_input THEN 'blocked' WHEN c.due IS NULL THEN 'pending' ELSE 'scheduled' END,
        refunded = t.attempt, refunds = 0, retry_afters = NULL, suspension = NULL,
        checkpoint_signals = CASE WHEN t.has_signals THEN coalesce(t.checkpoint_signals, '{}') || coalesce((
            SELECT jsonb_object_agg(s.name, s.number) FROM (
                SELECT name, max(number) AS number FROM task_signals
                WHERE task_id = t.id AND kind IN ('answer', 'timeout') GROUP BY name
            ) s
        ), '{}') ELSE t.checkpoint_signals END,
        ready_at = coalesce(c.due, now()), run_at = c.due, finished_at = NULL, started_at = NULL, failed_before = NULL,
        assigned_agent_id = NULL, assigned_at = NULL,
        error = NULL, progress = NULL, progress_message = NULL, waiting_on = c.lacks_input::int
    FROM current c WHERE t.id = c.id
    RETURNING t.id, t.attempt, c.state AS from_state, t.state, t.queue, t.type, t.requires, t.priority,
        extract(epoch FROM t.ready_at)::float8 AS ready, coalesce(t.head_start, 0) AS head_start, t.workflow_id
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, detail)
    SELECT r.id, 'retried', r.from_state, r.state, r.attempt, %(actor)s, jsonb_strip_nulls(jsonb_build_object(
        'reason', %(reason)s::text, 'scope', %(scope)s::text, 'start', s.start))
    FROM retried r
    LEFT JOIN unnest(%(ids)s::uuid[], %(starts)s::uuid[]) AS s(id, start) ON s.id = r.id
)
SELECT id, state, queue, type, requires, priority, ready, head_start, workflow_id FROM retried

-- name: unmet_parents
-- The parents that keep a task from being retried, with their states and what it waits for.
SELECT parent_id, state, condition FROM unmet_parents WHERE child_id = %(id)s::uuid ORDER BY parent_id

-- name: held_back
-- The ones of these tasks that can't be retried for their parents.
SELECT DISTINCT child_id FROM unmet_parents WHERE child_id = ANY(%(ids)s::uuid[])

-- name: reprioritise
-- Changes the priority of tasks that no agent has yet.
WITH current AS MATERIALIZED (
    SELECT id, priority FROM tasks WHERE id = ANY(%(ids)s::uuid[]) AND state = ANY(%(states)s)
    ORDER BY id FOR NO KEY UPDATE
), changed AS (
    UPDATE tasks t SET priority = %(priority)s FROM current c WHERE t.id = c.id
    RETURNING t.id, t.attempt, t.state, t.queue, t.type, t.requires, t.priority,
        extract(epoch FROM t.ready_at)::float8 AS ready, coalesce(t.head_start, 0) AS head_start, c.priority AS was
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, detail)
    SELECT id, 'reprioritised', state, state, attempt, %(actor)s,
        jsonb_strip_nulls(jsonb_build_object('from', was, 'to', priority, 'reason', nullif(%(reason)s::text, '')))
    FROM changed
)
SELECT id, state, queue, type, requires, priority, ready, head_start, was FROM changed

-- name: note_bulk
-- The audit row of a bulk operation.
INSERT INTO task_events (event, actor, detail) VALUES (%(event)s, %(actor)s, %(detail)s::jsonb)
