-- Settles tasks that wait for others, in slices. An open row of task_dependencies whose parent has ended is work that
-- is left to do: whatever a slice leaves, or an interrupted process, is found again by these rows alone.
-- A parent's row is shared until the end of the transaction, so that nobody makes it run again while its children are
-- settled by its end. Nothing here waits for a locked row. Every look-up goes by an index from one row to the next: by LATERAL and by
-- scalar subqueries, since the planner may turn a join or an EXISTS into a scan of the whole table.

-- name: has_any
-- Whether any unfinished task waits for another one.
SELECT EXISTS (SELECT FROM task_dependencies WHERE is_open)

-- name: unblock
-- Closes edges whose parent ended as their condition says; a child with none left becomes pending, or scheduled if not
-- yet due, or assigned at once, if an agent was offered for its lane; one whose input is made of its parents' outputs
-- becomes due to get it. Returns every changed child, how many parents were met, and what a claim returns. A parent
-- that no longer exists counts as cancelled. The rows of those that this transaction itself completed are its own
-- already: they need no look and no lock.
WITH held AS MATERIALIZED (
    SELECT f.id, state_for_children(p.state, p.failed_before) AS state
    FROM unnest(%(ids)s::uuid[]) AS f(id)
    CROSS JOIN LATERAL (SELECT FROM task_dependencies d WHERE d.parent_id = f.id AND d.is_open LIMIT 1) d
    CROSS JOIN LATERAL (SELECT t.state, t.failed_before FROM tasks t WHERE t.id = f.id FOR SHARE SKIP LOCKED) p
), parent AS (
    SELECT id, state FROM held
    UNION ALL
    SELECT f.id, 'cancelled' FROM unnest(%(ids)s::uuid[]) AS f(id)
    WHERE (SELECT t.id FROM tasks t WHERE t.id = f.id) IS NULL
    UNION ALL
    SELECT f.id, 'completed' FROM unnest(%(completed_here)s::uuid[]) AS f(id)
), edge AS MATERIALIZED (
    SELECT e.child_id, e.was, e.place, e.waiting_on, e.priority, e.lane
    FROM parent f
    CROSS JOIN LATERAL (
        SELECT d.child_id, c.state AS was, d.ctid AS place, c.waiting_on, c.priority, c.lane
        FROM task_dependencies d
        CROSS JOIN LATERAL (
            SELECT t.id, t.state, t.waiting_on, t.priority,
                CASE WHEN t.state = 'blocked' AND (t.run_at IS NULL OR t.run_at <= now())
                    AND t.suspension IS NULL AND t.has_signals IS NULL
                    THEN concat(t.queue, '|', t.type, '|', array_to_string(t.requires, ',')) END AS lane
            FROM tasks t
            WHERE t.id = d.child_id AND t.state IN ('blocked', 'suspended') FOR NO KEY UPDATE SKIP LOCKED
        ) c
        WHERE d.parent_id = f.id AND d.is_open
            AND f.state = ANY(
                CASE d.condition WHEN 'ended' THEN ARRAY['completed', 'failed', 'cancelled'] ELSE ARRAY[d.condition] END)
        LIMIT %(limit)s::int FOR UPDATE OF d SKIP LOCKED
    ) e
    LIMIT %(limit)s::int
), child AS MATERIALIZED (
    SELECT id, was, n, CASE WHEN number <= (%(counts)s::int[])[lane]
        THEN (%(agents)s::text[])[(%(offers)s::int[])[(%(firsts)s::int[])[lane] + number]] END AS agent_id
    FROM (
        SELECT id, was, n, lane, (row_number() OVER (PARTITION BY lane ORDER BY priority DESC, id))::int AS number
        FROM (
            SELECT child_id AS id, was, priority, count(*)::int AS n,
                CASE WHEN waiting_on = count(*) THEN array_position(%(lanes)s::text[], lane) END AS lane
            FROM edge GROUP BY child_id, was, waiting_on, priority, lane
        ) counted
    ) numbered
), met AS (
    UPDATE task_dependencies SET is_open = false, met_at = now() WHERE ctid = ANY(ARRAY(SELECT place FROM edge))
), changed AS (
    UPDATE tasks t SET
        waiting_on = t.waiting_on - c.n,
        state = CASE
            WHEN t.waiting_on > c.n THEN t.state
            WHEN c.agent_id IS NOT NULL THEN 'assigned'
            WHEN t.state = 'blocked' AND t.run_at > now() THEN 'scheduled'
            ELSE 'pending' END,
        ready_at = CASE WHEN t.state = 'blocked' THEN greatest(now(), t.run_at) ELSE now() END,
        attempt = CASE WHEN c.agent_id IS NULL THEN t.attempt ELSE greatest(t.attempt, t.hedged) + 1 END,
        refunded = t.refunded + CASE WHEN c.agent_id IS NULL THEN 0 ELSE greatest(t.hedged - t.attempt, 0) END,
        assigned_agent_id = coalesce(c.agent_id, t.assigned_agent_id),
        assigned_at = CASE WHEN c.agent_id IS NULL THEN t.assigned_at ELSE now() END,
        started_at = CASE WHEN c.agent_id IS NULL THEN t.started_at END
    FROM child c WHERE t.id = c.id
    RETURNING t.id, t.attempt, c.was, t.state, t.queue, t.type, t.requires, t.priority,
        extract(epoch FROM t.ready_at)::float8 AS ready, c.n, t.waiting_on, c.agent_id,
        CASE WHEN c.agent_id IS NOT NULL THEN t.input::text END AS input, t.timeout_seconds,
        CASE WHEN c.agent_id IS NOT NULL THEN t.checkpoint::text END AS checkpoint, t.max_attempts, t.refunded,
        t.refunds, coalesce(t.checkpoint_children, 0) AS checkpoint_children,
        coalesce(t.retry_afters, 0) AS retry_afters, date_part('epoch', t.scheduled_for) AS scheduled_for,
        coalesce(t.head_start, 0) AS head_start
), input_due AS (
    UPDATE task_inputs SET is_due = true
    WHERE resolved_at IS NULL AND task_id = ANY(ARRAY(SELECT id FROM changed WHERE waiting_on = 1 AND was = 'blocked'))
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, agent_id)
    SELECT id, CASE was WHEN 'blocked' THEN 'unblocked' ELSE 'woken' END, was,
        CASE WHEN agent_id IS NULL THEN state ELSE 'pending' END,
        CASE WHEN agent_id IS NULL THEN attempt ELSE attempt - 1 END, 'dispatcher', NULL
    FROM changed WHERE state <> was
    UNION ALL
    SELECT id, 'assigned', 'pending', 'assigned', attempt, 'dispatcher', agent_id
    FROM changed WHERE agent_id IS NOT NULL
)
SELECT id, state, queue, type, requires, priority, ready, head_start, n, waiting_on,
    id, attempt, type, input, timeout_seconds, checkpoint, priority, agent_id, max_attempts, refunded, refunds,
    checkpoint_children, retry_afters, NULL, scheduled_for, head_start
FROM changed

-- name: cancel_below
-- Cancels some of the blocked tasks that wait, directly or not, for one of these, which ended otherwise than their
-- children wait for, or no longer exist. The nearest come first. Their edges stay, closed and not met. `failed_before`
-- says of them that a task before them failed: a task that waits for the failure of such a one goes on (see unblock).
WITH RECURSIVE held AS MATERIALIZED (
    SELECT f.id, state_for_children(p.state, p.failed_before) AS state
    FROM unnest(%(ids)s::uuid[]) AS f(id)
    CROSS JOIN LATERAL (SELECT FROM task_dependencies d WHERE d.parent_id = f.id AND d.is_open LIMIT 1) d
    CROSS JOIN LATERAL (SELECT t.state, t.failed_before FROM tasks t WHERE t.id = f.id FOR SHARE SKIP LOCKED) p
), parent AS (
    SELECT id, state FROM held
    UNION ALL
    SELECT f.id, 'cancelled' FROM unnest(%(ids)s::uuid[]) AS f(id)
    WHERE (SELECT t.id FROM tasks t WHERE t.id = f.id) IS NULL
), below AS (
    SELECT d.child_id AS id, f.state = 'failed' AS has_failed
    FROM parent f
    CROSS JOIN LATERAL (
        SELECT d.child_id FROM task_dependencies d
        WHERE d.parent_id = f.id AND d.is_open
            AND f.state = ANY(
                CASE d.condition WHEN 'completed' THEN ARRAY['failed', 'cancelled']
                    WHEN 'failed' THEN ARRAY['completed', 'cancelled'] END)
    ) d
    UNION
    SELECT d.child_id, b.has_failed
    FROM below b
    CROSS JOIN LATERAL (
        SELECT d.child_id FROM task_dependencies d
        WHERE d.parent_id = b.id AND d.is_open AND d.condition = 'completed'
            AND (SELECT t.state FROM tasks t WHERE t.id = b.id) = 'blocked'
    ) d
), nearest AS MATERIALIZED (
    SELECT c.id, b.has_failed
    FROM below b
    CROSS JOIN LATERAL (
        SELECT t.id FROM tasks t WHERE t.id = b.id AND t.state = 'blocked' FOR NO KEY UPDATE SKIP LOCKED
    ) c
    LIMIT %(limit)s::int
), current AS MATERIALIZED (
    SELECT id, bool_or(has_failed) AS has_failed FROM nearest GROUP BY id
), cut AS (
    UPDATE task_dependencies SET is_open = false WHERE ctid = ANY(ARRAY(
        SELECT d.place
        FROM current c
        CROSS JOIN LATERAL (
            SELECT d.ctid AS place FROM task_dependencies d WHERE d.child_id = c.id AND d.is_open FOR UPDATE SKIP LOCKED
        ) d
    ))
), cancelled AS (
    UPDATE tasks t SET state = 'cancelled', finished_at = now(), failed_before = CASE WHEN c.has_failed THEN true END
    FROM current c WHERE t.id = c.id
    RETURNING t.id, t.attempt, t.queue, t.type, greatest(0, date_part('epoch', now() - t.created_at)) AS total_seconds,
        EXISTS (
            SELECT FROM task_dependencies d
            WHERE d.child_id = t.id AND d.condition = 'failed'
                AND (SELECT p.state FROM tasks p WHERE p.id = d.parent_id) = 'completed'
        ) AS is_needless
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, detail, queue, type, total_seconds)
    SELECT id, 'cancelled', 'blocked', 'cancelled', attempt, %(actor)s::text,
        jsonb_build_object('reason', CASE WHEN is_needless THEN 'not needed: the task before it did not fail'
            ELSE 'a task that it waits for was not completed' END), queue, type, total_seconds
    FROM cancelled
)
SELECT id FROM cancelled

-- name: close_useless
-- Closes some edges of these parents whose child no longer waits.
WITH useless AS MATERIALIZED (
    SELECT d.place
    FROM unnest(%(ids)s::uuid[]) AS f(id)
    CROSS JOIN LATERAL (
        SELECT d.ctid AS place FROM task_dependencies d
        WHERE d.parent_id = f.id AND d.is_open
            AND coalesce((SELECT t.state FROM tasks t WHERE t.id = d.child_id), '') NOT IN ('blocked', 'suspended')
        LIMIT %(limit)s::int FOR UPDATE SKIP LOCKED
    ) d
    LIMIT %(limit)s::int
)
UPDATE task_dependencies SET is_open = false WHERE ctid = ANY(ARRAY(SELECT place FROM useless))

-- name: with_children
-- The ones of these tasks that others still wait for.
SELECT f.id FROM unnest(%(ids)s::uuid[]) AS f(id)
CROSS JOIN LATERAL (SELECT FROM task_dependencies d WHERE d.parent_id = f.id AND d.is_open LIMIT 1) d

-- name: parents_after
-- A slice of the tasks that others wait for, in id order, each with its state (NULL: it no longer exists).
WITH RECURSIVE parent AS (
    (
        SELECT parent_id AS id FROM task_dependencies
        WHERE parent_id > %(after)s::uuid AND is_open ORDER BY parent_id LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT d.parent_id FROM task_dependencies d WHERE d.parent_id > p.id AND d.is_open ORDER BY d.parent_id LIMIT 1
    )
    FROM parent p WHERE p.id IS NOT NULL
), slice AS MATERIALIZED (
    SELECT id FROM parent WHERE id IS NOT NULL LIMIT %(limit)s::int
)
SELECT s.id, (SELECT t.state FROM tasks t WHERE t.id = s.id) FROM slice s

-- name: parents_of
-- The parents that these tasks still wait for, each with its state (NULL: it no longer exists).
SELECT d.parent_id, (SELECT t.state FROM tasks t WHERE t.id = d.parent_id)
FROM (
    SELECT DISTINCT d.parent_id
    FROM unnest(%(ids)s::uuid[]) AS f(id)
    CROSS JOIN LATERAL (SELECT parent_id FROM task_dependencies d WHERE d.child_id = f.id AND d.is_open) d
) d
