-- Signals of tasks. Who sends one holds the lock on its task's row, and so does the tick that suspends the task.

-- name: lock_task
-- What a sender must know of a task; waits for its row.
SELECT state, suspension, queue, type FROM tasks WHERE id = %(id)s::uuid FOR NO KEY UPDATE

-- name: is_known
-- Whether a signal with this id was sent before.
SELECT EXISTS (
    SELECT FROM task_signals WHERE task_id = %(id)s::uuid AND name = %(name)s AND signal_id = %(signal_id)s
)

-- name: taken
-- How many signals a task has, and the bytes of their data.
SELECT count(*), coalesce(sum(octet_length(data::text)), 0) FROM task_signals WHERE task_id = %(id)s::uuid

-- name: add
-- Stores a signal behind all others of its task.
WITH added AS (
    INSERT INTO task_signals (task_id, name, signal_id, number, kind, data, sent_by)
    SELECT %(id)s::uuid, %(name)s, %(signal_id)s,
        (SELECT coalesce(max(number), 0) + 1 FROM task_signals WHERE task_id = %(id)s::uuid),
        %(kind)s, %(data)s::json, %(actor)s
    RETURNING task_id, name, signal_id
), known AS (
    UPDATE tasks t SET has_signals = true FROM added a WHERE t.id = a.task_id
    RETURNING t.id, t.state, t.attempt, a.name, a.signal_id
)
INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, detail)
SELECT id, 'signalled', state, state, attempt, %(actor)s,
    jsonb_strip_nulls(jsonb_build_object('name', name, 'signal_id', signal_id, 'reason', nullif(%(reason)s, '')))
FROM known

-- name: awaited
-- The signals by the names that these tasks wait for, with numbers beyond those that they have used.
SELECT s.task_id, s.signal_id, s.kind, s.data::text
FROM unnest(%(ids)s::uuid[], %(names)s::text[], %(afters)s::int[]) AS w(id, name, after)
JOIN task_signals s ON s.task_id = w.id AND s.name = w.name AND s.number > w.after
ORDER BY s.task_id, s.number

-- name: note_refused
-- Records signals whose data do not fit what their tasks wait for.
INSERT INTO task_events (task_id, event, attempt, actor, detail)
SELECT r.id, 'signal_refused', t.attempt, 'dispatcher',
    jsonb_build_object('name', r.name, 'signal_id', r.signal_id, 'reason', r.reason)
FROM unnest(%(ids)s::uuid[], %(names)s::text[], %(signal_ids)s::text[], %(reasons)s::text[])
    AS r(id, name, signal_id, reason)
JOIN tasks t ON t.id = r.id

-- name: of_task
-- A task's signals in their order, with their data.
SELECT number, name, signal_id, kind, data, sent_by, sent_at FROM task_signals WHERE task_id = %(id)s::uuid ORDER BY number
