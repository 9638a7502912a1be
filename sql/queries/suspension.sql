-- Suspends tasks whose attempts gave their slots back, and wakes them. Each statement locks its rows in id order and
-- writes its audit rows itself.

-- name: suspend
-- assigned | in_progress → suspended, if the attempt is still the current one; it costs no attempt. A state that was
-- reported becomes the checkpoint. A wait for a signal that begins again, which is one by the same name behind the same
-- used one, is due when it was the first time at the latest: `deadlines` of the suspension has that until a checkpoint
-- was saved after the wait. Returns those that are due at a time, as a sweep does, and the others.
WITH reported AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(attempts)s::int[], %(suspensions)s::jsonb[], %(delays)s::float8[],
        %(ats)s::float8[], %(states)s::json[], %(children)s::int[], %(signals)s::jsonb[], %(errors)s::jsonb[],
        %(started)s::float8[], %(run_seconds)s::real[], %(cpu_seconds)s::real[], %(peaks)s::bigint[])
        AS r(id, attempt, suspension, delay, at, state, children, signals, error, started, run_seconds, cpu_seconds,
        peak_memory_bytes)
), current AS MATERIALIZED (
    SELECT t.id, t.state AS from_state, t.assigned_agent_id AS was_agent_id, r.suspension, r.state, r.children,
        r.signals, r.error, r.run_seconds, r.cpu_seconds, r.peak_memory_bytes, w.due,
        coalesce(d.earlier, '{}') || CASE WHEN w.due IS NULL OR r.suspension -> 'used' IS NULL THEN '{}'
            ELSE jsonb_build_object(r.suspension ->> 'name', jsonb_build_object('used', r.suspension -> 'used',
                'at', w.due)) END AS deadlines,
        greatest(0, date_part('epoch', coalesce(t.started_at, to_timestamp(r.started)) - t.ready_at)) AS wait_seconds
    FROM tasks t JOIN reported r ON r.id = t.id
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(e.name, e.deadline) AS earlier
        FROM jsonb_each(t.suspension -> 'deadlines') AS e(name, deadline)
        WHERE (e.deadline ->> 'used')::int
            >= coalesce((CASE WHEN r.state IS NULL THEN t.checkpoint_signals ELSE r.signals END ->> e.name)::int, 0)
    ) d
    CROSS JOIN LATERAL (
        SELECT least(coalesce(to_timestamp(r.at), now() + make_interval(secs => r.delay)),
            CASE WHEN e.deadline -> 'used' = r.suspension -> 'used' THEN (e.deadline ->> 'at')::timestamptz END) AS due
        FROM (SELECT d.earlier -> (r.suspension ->> 'name') AS deadline) e
    ) w
    WHERE t.attempt = r.attempt AND t.state IN ('assigned', 'in_progress')
        AND (r.state IS NULL OR r.state::jsonb IS NOT NULL) -- refuses what json takes and a search could not read
    ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED
), suspended AS (
    UPDATE tasks t SET state = 'suspended', refunded = t.refunded + 1,
        suspension = CASE WHEN c.deadlines = '{}' THEN c.suspension
            ELSE c.suspension || jsonb_build_object('deadlines', c.deadlines) END,
        error = coalesce(c.error, t.error),
        retry_afters = CASE WHEN c.error IS NULL THEN t.retry_afters ELSE coalesce(t.retry_afters, 0) + 1 END,
        checkpoint = coalesce(c.state, t.checkpoint),
        checkpoint_children = CASE WHEN c.state IS NULL THEN t.checkpoint_children ELSE c.children END,
        checkpoint_signals = CASE WHEN c.state IS NULL THEN t.checkpoint_signals ELSE c.signals END,
        run_at = c.due, ready_at = coalesce(c.due, now()), assigned_agent_id = NULL, assigned_at = NULL,
        started_at = NULL
    FROM current c WHERE t.id = c.id
    RETURNING t.id, t.attempt, t.queue, t.type, t.requires, t.priority, t.run_at, t.ready_at, t.has_signals, t.head_start,
        c.from_state, c.was_agent_id, c.suspension, c.error, c.wait_seconds, c.run_seconds, c.cpu_seconds,
        c.peak_memory_bytes
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, agent_id, detail, queue, type,
        wait_seconds, run_seconds, cpu_seconds, peak_memory_bytes)
    SELECT id, 'suspended', from_state, 'suspended', attempt, 'dispatcher', was_agent_id,
        jsonb_strip_nulls((suspension - 'schema') || jsonb_build_object('until', run_at,
            'class', error ->> 'class', 'message', error ->> 'message')),
        queue, type, wait_seconds, run_seconds, cpu_seconds, peak_memory_bytes
    FROM suspended
)
SELECT id, 'suspended', queue, type, requires, priority, extract(epoch FROM ready_at)::float8, coalesce(head_start, 0), run_at IS NOT NULL,
    has_signals IS TRUE
FROM suspended

-- name: await_children
-- Opens edges from the unfinished ones of the tasks that a suspended task's handler submitted (`wanted`: some of them;
-- NULL: all). An edge of an earlier time is opened again. Returns how many each waits for.
WITH asked AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(wanted)s::jsonb[]) AS a(id, wanted)
), child AS MATERIALIZED (
    SELECT a.id AS waits, c.id
    FROM asked a
    JOIN tasks p ON p.id = a.id AND p.state = 'suspended'
    CROSS JOIN LATERAL (
        SELECT c.id FROM tasks c
        WHERE a.wanted IS NULL AND c.workflow_id = coalesce(p.workflow_id, p.id) AND c.workflow_id IS NOT NULL
            AND c.finished_at IS NULL AND c.idempotency_key LIKE p.id || '/%%'
        UNION ALL
        SELECT c.id FROM tasks c
        WHERE c.id = ANY(ARRAY(SELECT w.id::uuid FROM jsonb_array_elements_text(a.wanted) AS w(id)))
            AND c.finished_at IS NULL AND c.idempotency_key LIKE p.id || '/%%'
    ) c
), edge AS (
    INSERT INTO task_dependencies (parent_id, child_id, condition, kind)
    SELECT id, waits, 'ended', 'children' FROM child ORDER BY id, waits
    ON CONFLICT (parent_id, child_id) DO UPDATE SET condition = 'ended', kind = 'children', is_open = true, met_at = NULL
), counted AS (
    SELECT a.id, (SELECT count(*)::int FROM child c WHERE c.waits = a.id) AS n FROM asked a
), waiting AS (
    UPDATE tasks t SET waiting_on = c.n FROM counted c WHERE t.id = c.id AND c.n > 0
)
SELECT id, n FROM counted

-- name: wake
-- suspended → pending. Its rows are locked already, by the one who found that there is what they wait for; that comes
-- first in their histories.
WITH woken AS (
    UPDATE tasks t SET state = 'pending', ready_at = now(), run_at = NULL, waiting_on = 0
    WHERE t.id = ANY(%(ids)s::uuid[]) AND t.state = 'suspended'
    RETURNING t.id, t.attempt, t.queue, t.type, t.requires, t.priority, extract(epoch FROM t.ready_at)::float8 AS ready,
        coalesce(t.head_start, 0) AS head_start
), audit AS (
    INSERT INTO task_events (task_id, at, event, from_state, to_state, attempt, actor)
    SELECT id, clock_timestamp(), 'woken', 'suspended', 'pending', attempt, %(actor)s FROM woken
)
SELECT id, 'pending', queue, type, requires, priority, ready, head_start FROM woken

-- name: outcomes
-- A page of the tasks that a task's handler submitted, in their order: as many as have `bytes` of outputs and errors
-- together, at least one. Ids that are none of them are left out.
SELECT id, key, type, state, output, error
FROM (
    SELECT c.id, substr(c.idempotency_key, 38) AS key, c.type, c.state, c.output::text AS output, c.error::text AS error,
        row_number() OVER (ORDER BY c.id) AS place,
        sum(coalesce(octet_length(c.output::text), 0) + coalesce(octet_length(c.error::text), 0)) OVER (ORDER BY c.id)
            AS size
    FROM (
        SELECT c.id, c.idempotency_key, c.type, c.state, c.output, c.error - 'traceback' AS error
        FROM tasks p JOIN tasks c ON c.workflow_id = coalesce(p.workflow_id, p.id)
        WHERE p.id = %(id)s::uuid AND c.idempotency_key LIKE p.id || '/%%'
            AND (%(wanted)s::uuid[] IS NULL OR c.id = ANY(%(wanted)s::uuid[])) AND c.id > %(after)s::uuid
        ORDER BY c.id LIMIT %(limit)s
    ) c
) page
WHERE place = 1 OR size <= %(bytes)s
ORDER BY id

-- name: children
-- How many tasks a task's handler submitted of these (NULL: of all), how many have not ended, and one that itself waits
-- for the task's end.
SELECT count(*), count(*) FILTER (WHERE c.finished_at IS NULL), min(c.id::text) FILTER (WHERE EXISTS (
    SELECT FROM task_dependencies d WHERE d.parent_id = p.id AND d.child_id = c.id AND d.is_open AND d.kind = 'after'
))
FROM tasks p JOIN tasks c ON c.workflow_id = coalesce(p.workflow_id, p.id)
WHERE p.id = %(id)s::uuid AND c.idempotency_key LIKE p.id || '/%%'
    AND (%(wanted)s::uuid[] IS NULL OR c.id = ANY(%(wanted)s::uuid[]))
