-- Makes inputs of parents' outputs, in slices that are bounded in number and bytes. A row of task_inputs that is due is
-- work left to do: whatever a slice leaves is found again by these rows alone. Nothing here waits for a locked row.

-- name: due
-- A slice of the due templates in id order, with the state of their tasks, which it locks; and whether there may be more.
-- Each weighs what it and its parents' outputs take in storage, and somewhat for each parent.
WITH RECURSIVE walk AS (
    (
        SELECT i.task_id AS id, 0::bigint AS before, 1 AS number, w.weight
        FROM (SELECT task_id, template FROM task_inputs WHERE is_due ORDER BY task_id LIMIT 1) i
        CROSS JOIN LATERAL (
            SELECT pg_column_size(i.template) + coalesce(sum(200 + coalesce(pg_column_size(p.output), 0)), 0) AS weight
            FROM task_dependencies d JOIN tasks p ON p.id = d.parent_id WHERE d.child_id = i.task_id
        ) w
    )
    UNION ALL
    SELECT n.task_id, b.before + b.weight::bigint, b.number + 1, n.weight
    FROM walk b
    CROSS JOIN LATERAL (
        SELECT i.task_id, w.weight
        FROM (
            SELECT task_id, template FROM task_inputs WHERE is_due AND task_id > b.id ORDER BY task_id LIMIT 1
        ) i
        CROSS JOIN LATERAL (
            SELECT pg_column_size(i.template) + coalesce(sum(200 + coalesce(pg_column_size(p.output), 0)), 0) AS weight
            FROM task_dependencies d JOIN tasks p ON p.id = d.parent_id WHERE d.child_id = i.task_id
        ) w
    ) n
    WHERE b.number < %(limit)s::int AND b.before + b.weight < %(bytes)s::bigint
), slice AS MATERIALIZED (
    SELECT id, max(number) OVER () = %(limit)s::int OR max(before + weight) OVER () >= %(bytes)s::bigint AS is_full
    FROM walk
)
SELECT s.id, s.is_full, t.state = 'blocked' AND t.waiting_on = 1, t.type,
    (SELECT i.template::text FROM task_inputs i WHERE i.task_id = s.id)
FROM slice s
CROSS JOIN LATERAL (
    SELECT t.state, t.waiting_on, t.type FROM tasks t WHERE t.id = s.id FOR NO KEY UPDATE SKIP LOCKED
) t
ORDER BY s.id

-- name: forget
-- Ends what is due of tasks that do not wait for it.
UPDATE task_inputs SET is_due = false WHERE task_id = ANY(%(ids)s::uuid[])

-- name: parents
-- The parents of these tasks with their keys; a parent that no longer exists has none.
SELECT f.id, d.parent_id, (SELECT p.workflow_key FROM tasks p WHERE p.id = d.parent_id),
    EXISTS (SELECT FROM tasks p WHERE p.id = d.parent_id)
FROM unnest(%(ids)s::uuid[]) AS f(id)
CROSS JOIN LATERAL (SELECT d.parent_id FROM task_dependencies d WHERE d.child_id = f.id AND d.kind = 'after') d

-- name: sizes
-- How many bytes parts of outputs have as JSON, in the order given; NULL: there is no such part.
SELECT (SELECT octet_length((t.output #> p.path::text[])::text) FROM tasks t WHERE t.id = p.id)
FROM unnest(%(ids)s::uuid[], %(paths)s::text[]) WITH ORDINALITY AS p(id, path, number) ORDER BY p.number

-- name: parts
-- These parts of outputs, as JSON.
SELECT (SELECT (t.output #> p.path::text[])::text FROM tasks t WHERE t.id = p.id)
FROM unnest(%(ids)s::uuid[], %(paths)s::text[]) WITH ORDINALITY AS p(id, path, number) ORDER BY p.number

-- name: store
-- Gives tasks their inputs; blocked → pending, or scheduled if not yet due.
WITH made AS (
    UPDATE tasks t SET input = m.input, waiting_on = 0,
        state = CASE WHEN t.run_at > now() THEN 'scheduled' ELSE 'pending' END, ready_at = greatest(now(), t.run_at)
    FROM unnest(%(ids)s::uuid[], %(inputs)s::json[]) AS m(id, input)
    WHERE t.id = m.id AND t.state = 'blocked' AND t.waiting_on = 1
    RETURNING t.id, t.attempt, t.state, t.queue, t.type, t.requires, t.priority,
        extract(epoch FROM t.ready_at)::float8 AS ready, coalesce(t.head_start, 0) AS head_start
), done AS (
    UPDATE task_inputs SET is_due = false, resolved_at = now() WHERE task_id = ANY(ARRAY(SELECT id FROM made))
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor)
    SELECT id, 'unblocked', 'blocked', state, attempt, 'dispatcher' FROM made
)
SELECT id, state, queue, type, requires, priority, ready, head_start FROM made

-- name: fail
-- blocked → failed, where no input can be made.
WITH failed AS (
    UPDATE tasks t SET state = 'failed', finished_at = now(), error = f.error
    FROM unnest(%(ids)s::uuid[], %(errors)s::jsonb[]) AS f(id, error)
    WHERE t.id = f.id AND t.state = 'blocked' AND t.waiting_on = 1
    RETURNING t.id, t.attempt, t.queue, t.type, t.error, greatest(0, date_part('epoch', now() - t.created_at)) AS total_seconds
), done AS (
    UPDATE task_inputs SET is_due = false WHERE task_id = ANY(ARRAY(SELECT id FROM failed))
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, detail, queue, type, total_seconds)
    SELECT id, 'failed', 'blocked', 'failed', attempt, 'dispatcher', error, queue, type, total_seconds FROM failed
)
SELECT id FROM failed

-- name: template
-- The template of a task's input, and whether the input was made of it.
SELECT template::text, resolved_at IS NOT NULL FROM task_inputs WHERE task_id = %(id)s::uuid
