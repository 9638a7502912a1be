-- Fire times of schedules, and what became of them.

-- name: due
-- Schedules that are due, the longest first; locked ones are left for the next time. Without the definitions of
-- workflows, with the database's time.
SELECT id::text, name, cron, interval_seconds, time_zone, CASE WHEN kind = 'task' THEN what::text END, is_enabled,
    catch_up, catch_up_limit, overlap, jitter_seconds, starts_at, ends_at, expected_seconds, owner, may_run_code, anchor_at, next_fire_at, created_at,
    created_by, now()
FROM schedules WHERE next_fire_at <= now()
ORDER BY next_fire_at, id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED

-- name: earliest
-- When the next schedule is due, in epoch seconds.
SELECT extract(epoch FROM min(next_fire_at))::float8 FROM schedules

-- name: open_tasks
-- Unfinished tasks of these schedules, among the newest that each submitted.
SELECT s.id::text, f.fire_time, f.task_id::text
FROM unnest(%(ids)s::uuid[]) AS s(id)
CROSS JOIN LATERAL (
    SELECT fire_time, task_id FROM schedule_fires
    WHERE schedule_id = s.id AND task_id IS NOT NULL ORDER BY fire_time DESC LIMIT 100
) f
JOIN tasks t ON t.id = f.task_id AND t.finished_at IS NULL
ORDER BY s.id, f.fire_time

-- name: with_open_workflow
-- Those of these schedules that have an unfinished workflow, or one that is due, among the newest.
SELECT s.id::text
FROM unnest(%(ids)s::uuid[]) AS s(id)
WHERE EXISTS (
    SELECT FROM (
        SELECT outcome, workflow_id FROM schedule_fires
        WHERE schedule_id = s.id AND workflow_id IS NOT NULL ORDER BY fire_time DESC LIMIT 100
    ) f
    LEFT JOIN workflows w ON w.id = f.workflow_id
    WHERE f.outcome = 'due' OR (w.id IS NOT NULL AND w.ended_at IS NULL)
)

-- name: add_fires
-- Records fire times; one that has a row is left as it is, and not returned.
INSERT INTO schedule_fires (schedule_id, fire_time, outcome, origin, task_id, workflow_id, submit_at, reason,
    reason_message)
SELECT * FROM unnest(%(schedules)s::uuid[], %(fire_times)s::timestamptz[], %(outcomes)s::text[], %(origins)s::text[],
    %(tasks)s::uuid[], %(workflows)s::uuid[], %(submit_ats)s::timestamptz[], %(reasons)s::text[], %(messages)s::jsonb[])
ON CONFLICT DO NOTHING
RETURNING schedule_id::text, fire_time

-- name: fill_fires
-- Records fire times that are made up for; one that has submitted its task is left as it is, and not returned.
INSERT INTO schedule_fires AS f (schedule_id, fire_time, outcome, origin, task_id, workflow_id, submit_at, reason,
    reason_message)
SELECT * FROM unnest(%(schedules)s::uuid[], %(fire_times)s::timestamptz[], %(outcomes)s::text[], %(origins)s::text[],
    %(tasks)s::uuid[], %(workflows)s::uuid[], %(submit_ats)s::timestamptz[], %(reasons)s::text[], %(messages)s::jsonb[])
ON CONFLICT (schedule_id, fire_time) DO UPDATE SET outcome = excluded.outcome, origin = excluded.origin,
    task_id = excluded.task_id, workflow_id = excluded.workflow_id, submit_at = excluded.submit_at,
    reason = excluded.reason, reason_message = excluded.reason_message, recorded_at = now()
    WHERE f.outcome NOT IN ('due', 'submitted', 'replaced')
RETURNING schedule_id::text, fire_time

-- name: note_fires
-- Changes what became of fire times.
UPDATE schedule_fires f SET outcome = n.outcome, task_id = n.task, workflow_id = n.workflow, submit_at = n.submit_at,
    reason = n.reason, reason_message = n.message
FROM unnest(%(schedules)s::uuid[], %(fire_times)s::timestamptz[], %(outcomes)s::text[], %(tasks)s::uuid[],
    %(workflows)s::uuid[], %(submit_ats)s::timestamptz[], %(reasons)s::text[], %(messages)s::jsonb[])
    AS n(schedule_id, fire_time, outcome, task, workflow, submit_at, reason, message)
WHERE f.schedule_id = n.schedule_id AND f.fire_time = n.fire_time

-- name: move_on
-- Sets when these schedules fire next.
UPDATE schedules s SET next_fire_at = n.next_fire_at
FROM unnest(%(ids)s::uuid[], %(times)s::timestamptz[]) AS n(id, next_fire_at) WHERE s.id = n.id

-- name: fires
-- The newest fire times of a schedule before one, with the states of their tasks or workflows.
SELECT f.fire_time, f.outcome, f.origin, f.task_id::text, f.workflow_id::text, f.reason, f.reason_message,
    f.recorded_at, t.state, CASE WHEN w.id IS NOT NULL THEN coalesce(w.state, 'running') END,
    extract(epoch FROM coalesce(t.finished_at - t.started_at, w.ended_at - w.created_at))::float8
FROM schedule_fires f
LEFT JOIN tasks t ON t.id = f.task_id
LEFT JOIN workflows w ON w.id = f.workflow_id
WHERE f.schedule_id = %(id)s AND (%(before)s::timestamptz IS NULL OR f.fire_time < %(before)s)
ORDER BY f.fire_time DESC LIMIT %(limit)s

-- name: last_fires
-- The newest fire times of each of these schedules, with the states of their tasks or workflows.
SELECT s.id::text, f.fire_time, f.outcome, f.origin, f.task_id::text, f.workflow_id::text, f.reason, f.reason_message,
    f.recorded_at, t.state, CASE WHEN w.id IS NOT NULL THEN coalesce(w.state, 'running') END,
    extract(epoch FROM coalesce(t.finished_at - t.started_at, w.ended_at - w.created_at))::float8
FROM unnest(%(ids)s::uuid[]) AS s(id)
CROSS JOIN LATERAL (
    SELECT * FROM schedule_fires WHERE schedule_id = s.id ORDER BY fire_time DESC LIMIT %(limit)s
) f
LEFT JOIN tasks t ON t.id = f.task_id
LEFT JOIN workflows w ON w.id = f.workflow_id
ORDER BY s.id, f.fire_time

-- name: days
-- How many fire times of a schedule came to what, by day in a time zone.
SELECT (f.fire_time AT TIME ZONE %(zone)s)::date,
    coalesce(t.state, CASE WHEN w.id IS NOT NULL THEN coalesce(w.state, 'running') END, f.outcome), count(*)
FROM schedule_fires f
LEFT JOIN tasks t ON t.id = f.task_id AND f.outcome = 'submitted'
LEFT JOIN workflows w ON w.id = f.workflow_id AND f.outcome = 'submitted'
WHERE f.schedule_id = %(id)s AND f.fire_time >= %(since)s
GROUP BY 1, 2 ORDER BY 1, 2

-- name: submitted_between
-- The fire times in a span whose task or workflow was submitted, or is about to be.
SELECT fire_time FROM schedule_fires
WHERE schedule_id = %(id)s AND fire_time BETWEEN %(since)s AND %(until)s
    AND outcome IN ('due', 'submitted', 'replaced')

-- name: late
-- Schedules whose last fire time that submitted something, and should be over by now, has nothing that completed.
SELECT s.name, f.fire_time, coalesce(t.id, w.id)::text,
    CASE WHEN f.outcome = 'due' OR (w.id IS NOT NULL AND w.ended_at IS NULL) THEN 'running'
        ELSE coalesce(t.state, w.state) END,
    CASE WHEN f.workflow_id IS NOT NULL THEN 'workflow' WHEN f.task_id IS NOT NULL THEN 'task' ELSE s.kind END
FROM schedules s
CROSS JOIN LATERAL (
    SELECT fire_time, outcome, task_id, workflow_id FROM schedule_fires
    WHERE schedule_id = s.id AND origin = 'time' AND outcome IN ('due', 'refused', 'submitted')
        AND fire_time < now() - make_interval(secs => coalesce(s.expected_seconds, %(seconds)s) + s.jitter_seconds)
    ORDER BY fire_time DESC LIMIT 1
) f
LEFT JOIN tasks t ON t.id = f.task_id
LEFT JOIN workflows w ON w.id = f.workflow_id
WHERE f.outcome IN ('due', 'refused') OR (t.id IS NOT NULL AND t.state <> 'completed')
    OR (w.id IS NOT NULL AND w.state IS DISTINCT FROM 'completed')
ORDER BY s.name

-- name: due_workflows
-- Fire times whose workflow is to be submitted now, the longest due first.
SELECT f.schedule_id::text, s.name, f.fire_time, f.workflow_id::text
FROM schedule_fires f JOIN schedules s ON s.id = f.schedule_id
WHERE f.outcome = 'due' AND f.submit_at <= now()
ORDER BY f.submit_at, f.fire_time LIMIT %(limit)s

-- name: lock_due
-- Locks a fire time that is due still; no row if somebody else has it, or has submitted it.
SELECT origin FROM schedule_fires
WHERE schedule_id = %(schedule)s AND fire_time = %(fire_time)s AND outcome = 'due' FOR NO KEY UPDATE SKIP LOCKED

-- name: lock_earlier
-- Locks the fire times before one that have an unfinished workflow, or are due; locked ones are left.
SELECT f.fire_time, f.outcome, f.workflow_id::text
FROM schedule_fires f
WHERE f.schedule_id = %(schedule)s AND f.fire_time < %(fire_time)s AND f.workflow_id IS NOT NULL
    AND (f.outcome = 'due' OR (f.outcome = 'submitted' AND EXISTS (
        SELECT FROM workflows w WHERE w.id = f.workflow_id AND w.ended_at IS NULL
    )))
ORDER BY f.fire_time LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED

-- name: half_cancelled
-- Unfinished workflows that a later fire time has replaced: with the schedule and the reason.
SELECT w.id::text, s.name, f.reason
FROM workflows w
JOIN schedule_fires f ON f.workflow_id = w.id AND f.outcome = 'replaced'
JOIN schedules s ON s.id = f.schedule_id
WHERE w.ended_at IS NULL AND w.cancelled_at IS NOT NULL
ORDER BY w.id LIMIT %(limit)s

-- name: prune_fires
-- Deletes old fire times that are not a schedule's last; returns how many.
WITH gone AS (
    DELETE FROM schedule_fires WHERE ctid = ANY(ARRAY(
        SELECT f.ctid FROM schedule_fires f
        WHERE f.fire_time < now() - make_interval(days => %(days)s) AND f.outcome <> 'due'
            AND EXISTS (
                SELECT FROM schedule_fires n WHERE n.schedule_id = f.schedule_id AND n.fire_time > f.fire_time
            )
        LIMIT %(limit)s
    ))
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: old_fires
-- How many there are of them.
SELECT count(*) FROM schedule_fires f
WHERE f.fire_time < now() - make_interval(days => %(days)s) AND f.outcome <> 'due'
    AND EXISTS (SELECT FROM schedule_fires n WHERE n.schedule_id = f.schedule_id AND n.fire_time > f.fire_time)
