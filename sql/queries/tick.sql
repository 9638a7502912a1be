-- The dispatcher's tick. Each statement writes its audit rows itself, so that no transition is without one. It locks
-- its rows in id order before it changes any, and skips locked ones: it waits for no row.

-- name: settle_completed
-- assigned | in_progress → completed, if the attempt is still the current one. Returns the ids in one text, which also
-- lasts until the end of the transaction, for a later statement of the same message.
WITH reported AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(attempts)s::int[], %(outputs)s::json[], %(started)s::float8[],
        %(run_seconds)s::real[], %(cpu_seconds)s::real[], %(peaks)s::bigint[])
        AS r(id, attempt, output, started, run_seconds, cpu_seconds, peak_memory_bytes)
), current AS MATERIALIZED (
    SELECT t.id, t.state, r.output, r.started, r.run_seconds, r.cpu_seconds, r.peak_memory_bytes
    FROM tasks t JOIN reported r ON r.id = t.id
    WHERE t.attempt = r.attempt AND t.state IN ('assigned', 'in_progress')
        AND r.output::jsonb IS NOT NULL -- refuses what json takes and a search could not read, such as \u0000
    ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED
), settled AS (
    UPDATE tasks t SET state = 'completed', output = c.output, error = NULL, finished_at = now(),
        started_at = coalesce(t.started_at, to_timestamp(c.started))
    FROM current c WHERE t.id = c.id
    RETURNING t.id, c.state, t.attempt, t.assigned_agent_id, t.queue, t.type,
        greatest(0, c.started - date_part('epoch', t.ready_at)) AS wait_seconds, c.run_seconds,
        greatest(0, (SELECT date_part('epoch', now())) - date_part('epoch', t.created_at)) AS total_seconds,
        c.cpu_seconds, c.peak_memory_bytes
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, agent_id, queue, type,
        wait_seconds, run_seconds, total_seconds, cpu_seconds, peak_memory_bytes)
    SELECT id, 'completed', state, 'completed', attempt, 'dispatcher', assigned_agent_id, queue, type,
        wait_seconds, run_seconds, total_seconds, cpu_seconds, peak_memory_bytes
    FROM settled
)
SELECT set_config('taskyard.completed', coalesce(string_agg(id::text, ','), ''), true) FROM settled

-- name: after_completed
-- What the settle_completed before it in the same message returned, and whether any unfinished task waits for another
-- one: as the row of no task behind those of a claim, which needs no such table.
SELECT NULL, NULL, current_setting('taskyard.completed'),
    CASE WHEN EXISTS (SELECT FROM task_dependencies WHERE is_open) THEN 'may free' END,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL

-- name: settle
-- assigned | in_progress → failed | scheduled (another attempt later) | pending, if the attempt is still current
-- and, if an agent is named, still with that agent.
WITH reported AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(attempts)s::int[], %(agents)s::text[], %(to_states)s::text[],
        %(errors)s::jsonb[], %(delays)s::float8[], %(refunds)s::int[], %(counted)s::int[], %(started)s::float8[],
        %(events)s::text[], %(details)s::jsonb[], %(run_seconds)s::real[], %(cpu_seconds)s::real[], %(peaks)s::bigint[])
    AS r(id, attempt, agent_id, to_state, error, delay, refund, counted, started, event, detail, run_seconds,
        cpu_seconds, peak_memory_bytes)
), current AS MATERIALIZED (
    SELECT t.id, t.state AS from_state, t.assigned_agent_id AS was_agent_id, r.to_state, r.error, r.delay, r.refund,
        r.counted, r.started, r.event, r.detail, r.run_seconds, r.cpu_seconds, r.peak_memory_bytes,
        greatest(0, date_part('epoch', coalesce(t.started_at, to_timestamp(r.started)) - t.ready_at)) AS wait_seconds
    FROM tasks t JOIN reported r ON r.id = t.id
    WHERE t.attempt = r.attempt AND t.state IN ('assigned', 'in_progress')
        AND (r.agent_id IS NULL OR t.assigned_agent_id = r.agent_id)
    ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED
), settled AS (
    UPDATE tasks t SET
        state = c.to_state,
        error = coalesce(c.error, t.error),
        refunded = t.refunded + c.refund,
        refunds = t.refunds + c.counted,
        run_at = CASE WHEN c.to_state = 'scheduled' THEN now() + make_interval(secs => c.delay) ELSE t.run_at END,
        ready_at = CASE WHEN c.to_state = 'failed' THEN t.ready_at
            ELSE now() + make_interval(secs => coalesce(c.delay, 0)) END,
        assigned_agent_id = CASE WHEN c.to_state = 'failed' THEN t.assigned_agent_id END,
        started_at = CASE WHEN c.to_state = 'failed' THEN coalesce(t.started_at, to_timestamp(c.started)) END,
        finished_at = CASE WHEN c.to_state = 'failed' THEN now() END
    FROM current c WHERE t.id = c.id
    RETURNING t.id, t.attempt, t.state, t.queue, t.type, t.requires, t.priority,
        extract(epoch FROM t.ready_at)::float8 AS ready, coalesce(t.head_start, 0) AS head_start, c.from_state, c.was_agent_id, c.event, c.detail,
        c.wait_seconds, c.run_seconds, c.cpu_seconds, c.peak_memory_bytes,
        CASE WHEN c.to_state = 'failed' THEN greatest(0, date_part('epoch', now() - t.created_at)) END AS total_seconds
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, agent_id, detail, queue, type,
        wait_seconds, run_seconds, total_seconds, cpu_seconds, peak_memory_bytes)
    SELECT id, event, from_state, state, attempt, 'dispatcher', was_agent_id, detail, queue, type,
        wait_seconds, run_seconds, total_seconds, cpu_seconds, peak_memory_bytes
    FROM settled
)
SELECT id, state, queue, type, requires, priority, ready, head_start FROM settled

-- name: start
-- assigned → in_progress, as the agent reports.
WITH reported AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(attempts)s::int[], %(started)s::float8[]) AS r(id, attempt, started)
), current AS MATERIALIZED (
    SELECT t.id, r.started FROM tasks t JOIN reported r ON r.id = t.id
    WHERE t.attempt = r.attempt AND t.state = 'assigned'
    ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED
), started AS (
    UPDATE tasks t SET state = 'in_progress', started_at = to_timestamp(c.started)
    FROM current c WHERE t.id = c.id
    RETURNING t.id, t.attempt, t.assigned_agent_id
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, agent_id)
    SELECT id, 'started', 'assigned', 'in_progress', attempt, 'dispatcher', assigned_agent_id FROM started
)
SELECT id FROM started

-- name: lock_current
-- The ones of these (task, attempt) pairs that are a task's current claim; locks them until the end of the transaction.
SELECT t.id, t.attempt FROM unnest(%(ids)s::uuid[], %(attempts)s::int[]) AS h(id, attempt)
JOIN tasks t ON t.id = h.id
WHERE t.attempt = h.attempt AND t.state IN ('assigned', 'in_progress')
ORDER BY t.id FOR SHARE OF t SKIP LOCKED

-- name: still_current
-- The ones of these (task, attempt) pairs that are a task's current claim, with its state: if a statement above returned
-- nothing for one of them, its row is locked. An attempt that is no longer current never becomes current again.
SELECT t.id, t.state FROM unnest(%(ids)s::uuid[], %(attempts)s::int[]) AS h(id, attempt)
JOIN tasks t ON t.id = h.id
WHERE t.attempt = h.attempt AND t.state IN ('assigned', 'in_progress')

-- name: note_stale
-- Records reports that matched no current attempt; they change nothing else.
INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, agent_id, detail)
SELECT t.id, 'stale_result', t.state, t.state, s.attempt, 'dispatcher', s.agent_id,
    jsonb_build_object('reported', s.reported, 'current_attempt', t.attempt)
FROM unnest(%(ids)s::uuid[], %(attempts)s::int[], %(agents)s::text[], %(reported)s::text[])
    AS s(id, attempt, agent_id, reported)
JOIN tasks t ON t.id = s.id

-- name: update_progress
-- The last reported progress of running attempts.
WITH reported AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(attempts)s::int[], %(fractions)s::real[], %(messages)s::text[])
        AS r(id, attempt, fraction, message)
), current AS MATERIALIZED (
    SELECT t.id, r.fraction, r.message FROM tasks t JOIN reported r ON r.id = t.id
    WHERE t.attempt = r.attempt AND t.state IN ('assigned', 'in_progress')
    ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED
)
UPDATE tasks t SET progress = c.fraction, progress_message = c.message FROM current c WHERE t.id = c.id

-- name: save_checkpoints
-- The last checkpoint of running attempts; an outdated attempt saves nothing.
WITH reported AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(attempts)s::int[], %(checkpoints)s::json[], %(children)s::int[],
        %(signals)s::jsonb[])
        AS r(id, attempt, checkpoint, children, signals)
), current AS MATERIALIZED (
    SELECT t.id, r.checkpoint, r.children, r.signals FROM tasks t JOIN reported r ON r.id = t.id
    WHERE t.attempt = r.attempt AND t.state IN ('assigned', 'in_progress')
    ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED
)
UPDATE tasks t SET checkpoint = c.checkpoint, checkpoint_children = c.children, checkpoint_signals = c.signals
FROM current c WHERE t.id = c.id RETURNING t.id

-- name: add_logs
-- Log lines of handlers, a microsecond apart: they are read in the order of their times, and rows that are stored one
-- after the other may lie anywhere. No row takes less, so the next statement's are later.
INSERT INTO task_events (task_id, at, event, attempt, actor, agent_id, detail)
SELECT id, statement_timestamp() + number * interval '1 microsecond', event, attempt, actor, agent, detail
FROM unnest(%(ids)s::uuid[], %(events)s::text[], %(attempts)s::int[], %(actors)s::text[],
    %(agents)s::text[], %(details)s::jsonb[]) WITH ORDINALITY AS l(id, event, attempt, actor, agent, detail, number)

-- name: claim
-- pending | due scheduled | due suspended → assigned, under a new attempt number, which no second attempt had: those
-- cost nothing. Locked rows are skipped. If the time ran out in which a suspended one waited for a signal, that is
-- recorded as a signal is (resume_of).
WITH candidate AS MATERIALIZED (
    SELECT t.id, t.state, w.agent_id,
        CASE WHEN t.state = 'suspended' AND t.suspension ->> 'kind' = 'signal' THEN t.suspension ->> 'name' END AS missed
    FROM unnest(%(ids)s::uuid[], %(agents)s::text[]) AS w(id, agent_id)
    JOIN tasks t ON t.id = w.id
    WHERE t.state = 'pending' OR (t.state IN ('scheduled', 'suspended') AND t.run_at <= now())
    ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED
), claimed AS (
    UPDATE tasks t SET state = 'assigned', attempt = greatest(t.attempt, t.hedged) + 1,
        refunded = t.refunded + greatest(t.hedged - t.attempt, 0), assigned_agent_id = c.agent_id,
        assigned_at = now(), started_at = NULL, has_signals = CASE WHEN c.missed IS NULL THEN t.has_signals ELSE true END
    FROM candidate c WHERE t.id = c.id
    RETURNING t.id, t.attempt, t.type, t.input, t.timeout_seconds, t.checkpoint, t.priority, t.assigned_agent_id,
        t.max_attempts, t.refunded, t.refunds,
        coalesce(t.checkpoint_children, 0) AS checkpoint_children, c.state, t.retry_afters,
        t.has_signals OR t.suspension IS NOT NULL AS resumes, c.missed, t.checkpoint_signals, t.scheduled_for,
        t.head_start
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, agent_id)
    SELECT id, 'assigned', state, 'assigned', attempt, 'dispatcher', assigned_agent_id FROM claimed
)
SELECT id, attempt, type, input::text, timeout_seconds, checkpoint::text, priority, assigned_agent_id,
    max_attempts, refunded, refunds, checkpoint_children, coalesce(retry_afters, 0),
    CASE WHEN resumes THEN resume_of(id, missed, checkpoint_signals)::text END, date_part('epoch', scheduled_for),
    coalesce(head_start, 0)
FROM claimed

-- name: hedge
-- A second attempt beside one that has started, once for each: under a number that no claim gets (P22).
WITH wanted AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(attempts)s::int[], %(agents)s::text[], %(details)s::jsonb[])
        AS w(id, attempt, agent_id, detail)
), straggler AS MATERIALIZED (
    SELECT t.id, w.agent_id, w.detail FROM tasks t JOIN wanted w ON w.id = t.id
    WHERE t.attempt = w.attempt AND t.state = 'in_progress' AND coalesce(t.hedged, 0) <= t.attempt
    ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED
), hedged AS (
    UPDATE tasks t SET hedged = t.attempt + 1, hedge_agent_id = s.agent_id
    FROM straggler s WHERE t.id = s.id
    RETURNING t.id, t.hedged, t.type, t.input, t.timeout_seconds, t.checkpoint, t.priority, t.hedge_agent_id,
        t.max_attempts, t.refunded, t.refunds, coalesce(t.checkpoint_children, 0) AS checkpoint_children,
        coalesce(t.retry_afters, 0) AS retry_afters, t.scheduled_for, coalesce(t.head_start, 0) AS head_start, s.detail
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, agent_id, detail)
    SELECT id, 'hedged', 'in_progress', 'in_progress', hedged, 'dispatcher', hedge_agent_id, detail FROM hedged
)
SELECT id, hedged, type, input::text, timeout_seconds, checkpoint::text, priority, hedge_agent_id, max_attempts,
    refunded, refunds, checkpoint_children, retry_afters, NULL, date_part('epoch', scheduled_for), head_start
FROM hedged

-- name: promote
-- A second attempt that ended first becomes the current one, if its task is open and still has both (P22). Its event is
-- a microsecond before the end that follows.
WITH won AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(besides)s::int[], %(attempts)s::int[]) AS w(id, beside, attempt)
), current AS MATERIALIZED (
    SELECT t.id, t.state, w.beside, w.attempt, t.hedge_agent_id AS agent_id, t.assigned_agent_id AS was_agent_id
    FROM tasks t JOIN won w ON w.id = t.id
    WHERE t.attempt = w.beside AND t.hedged = w.attempt AND t.hedge_agent_id IS NOT NULL
        AND t.state IN ('assigned', 'in_progress')
    ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED
), promoted AS (
    UPDATE tasks t SET attempt = c.attempt, refunded = t.refunded + c.attempt - c.beside, hedge_agent_id = NULL,
        assigned_agent_id = c.agent_id
    FROM current c WHERE t.id = c.id
    RETURNING t.id, c.state, c.beside, c.attempt, c.agent_id, c.was_agent_id
), audit AS (
    INSERT INTO task_events (task_id, at, event, from_state, to_state, attempt, actor, agent_id, detail)
    SELECT id, now() - interval '1 microsecond', 'hedge_won', state, state, attempt, 'dispatcher', agent_id,
        jsonb_build_object('beside', beside, 'cancelled_agent', was_agent_id)
    FROM promoted
)
SELECT id, beside, was_agent_id FROM promoted

-- name: drop_hedges
-- Second attempts that no longer count. A locked row keeps the agent's name, which means nothing once its attempt ends.
WITH given AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(attempts)s::int[], %(agents)s::text[], %(reasons)s::text[])
        AS g(id, attempt, agent_id, reason)
), held AS MATERIALIZED (
    SELECT t.id FROM tasks t JOIN given g ON g.id = t.id
    WHERE t.hedged = g.attempt AND t.hedge_agent_id IS NOT NULL
    ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED
), freed AS (
    UPDATE tasks t SET hedge_agent_id = NULL FROM held h WHERE t.id = h.id
)
INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, agent_id, detail)
SELECT t.id, 'hedge_dropped', t.state, t.state, g.attempt, 'dispatcher', g.agent_id,
    jsonb_build_object('reason', CASE WHEN g.reason IS NOT NULL THEN g.reason
        WHEN t.state = 'cancelled' THEN 'its task was cancelled' ELSE 'the attempt beside it has ended' END)
FROM given g JOIN tasks t ON t.id = g.id

-- name: take_over
-- A second attempt goes on as the current one: that beside it has ended without a result. Whatever it cost, the second
-- one costs nothing. The end of the first is recorded a microsecond before.
WITH ended AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(besides)s::int[], %(attempts)s::int[], %(agents)s::text[],
        %(events)s::text[], %(details)s::jsonb[], %(errors)s::jsonb[], %(started)s::float8[], %(seconds)s::float8[],
        %(run_seconds)s::real[], %(cpu_seconds)s::real[], %(peaks)s::bigint[])
        AS e(id, beside, attempt, agent_id, event, detail, error, started, second_started, run_seconds, cpu_seconds,
            peak_memory_bytes)
), current AS MATERIALIZED (
    SELECT t.id, t.state AS from_state, t.assigned_agent_id AS was_agent_id, t.hedge_agent_id, e.beside, e.attempt,
        e.event, e.detail, e.error, e.second_started, e.run_seconds, e.cpu_seconds, e.peak_memory_bytes,
        greatest(0, date_part('epoch', coalesce(t.started_at, to_timestamp(e.started)) - t.ready_at)) AS wait_seconds
    FROM tasks t JOIN ended e ON e.id = t.id
    WHERE t.attempt = e.beside AND t.hedged = e.attempt AND t.hedge_agent_id IS NOT NULL
        AND t.state IN ('assigned', 'in_progress') AND (e.agent_id IS NULL OR t.assigned_agent_id = e.agent_id)
    ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED
), changed AS (
    UPDATE tasks t SET attempt = c.attempt, refunded = t.refunded + c.attempt - c.beside, hedge_agent_id = NULL,
        assigned_agent_id = c.hedge_agent_id, started_at = to_timestamp(c.second_started),
        state = CASE WHEN c.second_started IS NULL THEN 'assigned' ELSE 'in_progress' END,
        error = coalesce(c.error, t.error), progress = NULL, progress_message = NULL
    FROM current c WHERE t.id = c.id
    RETURNING t.id, t.state, t.queue, t.type, c.from_state, c.was_agent_id, c.hedge_agent_id, c.beside, c.attempt,
        c.event, c.detail, c.wait_seconds, c.run_seconds, c.cpu_seconds, c.peak_memory_bytes
), audit AS (
    INSERT INTO task_events (task_id, at, event, from_state, to_state, attempt, actor, agent_id, detail, queue, type,
        wait_seconds, run_seconds, cpu_seconds, peak_memory_bytes)
    SELECT id, now() - interval '1 microsecond', CASE event WHEN 'failed' THEN 'attempt_failed' ELSE event END,
        from_state, state, beside, 'dispatcher', was_agent_id,
        (coalesce(detail, jsonb_build_object()) - 'delay_seconds') || jsonb_build_object('reason', 'the second attempt goes on'),
        queue, type, wait_seconds, run_seconds, cpu_seconds, peak_memory_bytes
    FROM changed
    UNION ALL
    SELECT id, now(), 'hedge_took_over', state, state, attempt, 'dispatcher', hedge_agent_id,
        jsonb_build_object('beside', beside), NULL, NULL, NULL, NULL, NULL, NULL
    FROM changed
)
SELECT id FROM changed
