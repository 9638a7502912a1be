-- Fire times of schedules, and what became of them.

-- name: due
-- Schedules that are due, the longest first; locked ones are left for the next time. With the database's time.
SELECT id::text, name, cron, interval_seconds, time_zone, what::text, is_enabled, catch_up, catch_up_limit, overlap,
    jitter_seconds, starts_at, ends_at, expected_seconds, owner, may_run_code, anchor_at, next_fire_at, created_at,
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

-- name: add_fires
-- Records fire times; one that has a row is left as it is, and not returned.
INSERT INTO schedule_fires (schedule_id, fire_time, outcome, origin, task_id, reason)
SELECT * FROM unnest(%(schedules)s::uuid[], %(fire_times)s::timestamptz[], %(outcomes)s::text[], %(origins)s::text[],
    %(tasks)s::uuid[], %(reasons)s::text[])
ON CONFLICT DO NOTHING
RETURNING schedule_id::text, fire_time

-- name: fill_fires
-- Records fire times that are made up for; one that has submitted its task is left as it is, and not returned.
INSERT INTO schedule_fires AS f (schedule_id, fire_time, outcome, origin, task_id, reason)
SELECT * FROM unnest(%(schedules)s::uuid[], %(fire_times)s::timestamptz[], %(outcomes)s::text[], %(origins)s::text[],
    %(tasks)s::uuid[], %(reasons)s::text[])
ON CONFLICT (schedule_id, fire_time) DO UPDATE SET outcome = excluded.outcome, origin = excluded.origin,
    task_id = excluded.task_id, reason = excluded.reason, recorded_at = now()
    WHERE f.outcome NOT IN ('submitted', 'replaced')
RETURNING schedule_id::text, fire_time

-- name: note_fires
-- Changes what became of fire times.
UPDATE schedule_fires f SET outcome = n.outcome, task_id = n.task, reason = n.reason
FROM unnest(%(schedules)s::uuid[], %(fire_times)s::timestamptz[], %(outcomes)s::text[], %(tasks)s::uuid[],
    %(reasons)s::text[]) AS n(schedule_id, fire_time, outcome, task, reason)
WHERE f.schedule_id = n.schedule_id AND f.fire_time = n.fire_time

-- name: move_on
-- Sets when these schedules fire next.
UPDATE schedules s SET next_fire_at = n.next_fire_at
FROM unnest(%(ids)s::uuid[], %(times)s::timestamptz[]) AS n(id, next_fire_at) WHERE s.id = n.id

-- name: fires
-- The newest fire times of a schedule before one, with the states of their tasks.
SELECT f.fire_time, f.outcome, f.origin, f.task_id::text, f.reason, f.recorded_at, t.state,
    extract(epoch FROM t.finished_at - t.started_at)::float8
FROM schedule_fires f LEFT JOIN tasks t ON t.id = f.task_id
WHERE f.schedule_id = %(id)s AND (%(before)s::timestamptz IS NULL OR f.fire_time < %(before)s)
ORDER BY f.fire_time DESC LIMIT %(limit)s

-- name: last_fires
-- The newest fire times of each of these schedules, with the states of their tasks.
SELECT s.id::text, f.fire_time, f.outcome, f.origin, f.task_id::text, f.reason, f.recorded_at, t.state,
    extract(epoch FROM t.finished_at - t.started_at)::float8
FROM unnest(%(ids)s::uuid[]) AS s(id)
CROSS JOIN LATERAL (
    SELECT * FROM schedule_fires WHERE schedule_id = s.id ORDER BY fire_time DESC LIMIT %(limit)s
) f
LEFT JOIN tasks t ON t.id = f.task_id
ORDER BY s.id, f.fire_time

-- name: days
-- How many fire times of a schedule came to what, by day in a time zone.
SELECT (f.fire_time AT TIME ZONE %(zone)s)::date, coalesce(t.state, f.outcome), count(*)
FROM schedule_fires f LEFT JOIN tasks t ON t.id = f.task_id AND f.outcome = 'submitted'
WHERE f.schedule_id = %(id)s AND f.fire_time >= %(since)s
GROUP BY 1, 2 ORDER BY 1, 2

-- name: submitted_between
-- The fire times in a span whose task was submitted.
SELECT fire_time FROM schedule_fires
WHERE schedule_id = %(id)s AND fire_time BETWEEN %(since)s AND %(until)s AND outcome IN ('submitted', 'replaced')

-- name: late
-- Schedules whose last fire time that submitted a task, and should be over by now, has no completed task.
SELECT s.name, f.fire_time, f.task_id::text, t.state
FROM schedules s
CROSS JOIN LATERAL (
    SELECT fire_time, outcome, task_id FROM schedule_fires
    WHERE schedule_id = s.id AND origin = 'time' AND outcome IN ('refused', 'submitted')
        AND fire_time < now() - make_interval(secs => coalesce(s.expected_seconds, %(seconds)s) + s.jitter_seconds)
    ORDER BY fire_time DESC LIMIT 1
) f
LEFT JOIN tasks t ON t.id = f.task_id
WHERE f.outcome = 'refused' OR (t.id IS NOT NULL AND t.state <> 'completed')
ORDER BY s.name

-- name: prune_fires
-- Deletes old fire times that are not a schedule's last; returns how many.
WITH gone AS (
    DELETE FROM schedule_fires WHERE ctid = ANY(ARRAY(
        SELECT f.ctid FROM schedule_fires f
        WHERE f.fire_time < now() - make_interval(days => %(days)s)
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
WHERE f.fire_time < now() - make_interval(days => %(days)s)
    AND EXISTS (SELECT FROM schedule_fires n WHERE n.schedule_id = f.schedule_id AND n.fire_time > f.fire_time)
