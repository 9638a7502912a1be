-- Lifts tasks that have waited unusually long; see taskyard.core.scheduling.lifting.

-- name: waits
-- The histogram of the waits of these queues in a range, from the roll-ups.
SELECT queue, array_agg(bucket), array_agg(n) FROM (
    SELECT m.queue, h.bucket, sum(h.n)::bigint AS n
    FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
    CROSS JOIN LATERAL (SELECT * FROM metric_counts c WHERE c.level_seconds = l.level AND c.at >= to_timestamp(l.since)
        AND c.at < to_timestamp(l.until) OFFSET 0) m
    CROSS JOIN LATERAL unnest(m.wait_buckets, m.wait_counts) AS h(bucket, n)
    WHERE m.queue = ANY(%(queues)s::text[])
    GROUP BY m.queue, h.bucket
) counted GROUP BY queue

-- name: overdue
-- Tasks of a slice of the unfinished ones that could start now and have waited longer than the limit of their lane,
-- without its head start, in id order; and the last id of the slice (NULL: no more after it).
WITH slice AS MATERIALIZED (
    SELECT id, queue, type, requires, state, run_at, ready_at, head_start FROM tasks
    WHERE finished_at IS NULL AND id > %(after)s::uuid AND id < %(before)s::uuid ORDER BY id LIMIT %(scanned)s
), overdue AS (
    SELECT s.id
    FROM slice s
    JOIN unnest(%(lanes)s::text[], %(limits)s::float8[], %(head_starts)s::float8[]) AS l(lane, limit_seconds, head_start)
        ON l.lane = concat_ws('|', s.queue, s.type, array_to_string(s.requires, ','))
    WHERE (s.state = 'pending' OR (s.state IN ('scheduled', 'suspended') AND coalesce(s.run_at <= now(), false)))
        AND s.ready_at < now() - make_interval(secs => l.limit_seconds) AND coalesce(s.head_start, 0) < l.head_start
    ORDER BY s.id LIMIT %(limit)s
)
SELECT ARRAY(SELECT id::text FROM overdue ORDER BY id), (SELECT id FROM slice ORDER BY id OFFSET %(scanned)s - 1)

-- name: lift
-- Raises the head starts of those of these tasks that are overdue still and not locked, each with an audit row.
WITH current AS MATERIALIZED (
    SELECT t.id, coalesce(t.head_start, 0) AS was, l.limit_seconds, l.head_start
    FROM tasks t
    JOIN unnest(%(lanes)s::text[], %(limits)s::float8[], %(head_starts)s::float8[]) AS l(lane, limit_seconds, head_start)
        ON l.lane = concat_ws('|', t.queue, t.type, array_to_string(t.requires, ','))
    WHERE t.id = ANY(%(ids)s::uuid[])
        AND (t.state = 'pending' OR (t.state IN ('scheduled', 'suspended') AND coalesce(t.run_at <= now(), false)))
        AND t.ready_at < now() - make_interval(secs => l.limit_seconds) AND coalesce(t.head_start, 0) < l.head_start
    ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED
), lifted AS (
    UPDATE tasks t SET head_start = c.head_start FROM current c WHERE t.id = c.id
    RETURNING t.id, t.attempt, t.state, t.queue, t.type, t.requires, t.priority,
        extract(epoch FROM t.ready_at)::float8 AS ready, t.head_start, c.was, c.limit_seconds,
        extract(epoch FROM now() - t.ready_at) AS waited_seconds
), audit AS (
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, detail)
    SELECT id, 'lifted', state, state, attempt, %(actor)s, jsonb_build_object(
        'waited_seconds', round(waited_seconds, 3), 'limit_seconds', round(limit_seconds::numeric, 3))
    FROM lifted
)
SELECT id, state, queue, type, requires, priority, ready, head_start, was FROM lifted
