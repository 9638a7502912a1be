-- Reads a performance report, together with the statements of metrics.sql, all in one transaction. Levels and spans as
-- there; a NULL queue or type matches all.

-- name: snapshot
-- Makes the transaction read-only with one snapshot for all statements.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY

-- name: held
-- The oldest counts and samples of each level, and the time; epoch seconds.
SELECT l.level, date_part('epoch', least((SELECT min(at) FROM metric_counts c WHERE c.level_seconds = l.level),
    (SELECT min(at) FROM metric_samples s WHERE s.level_seconds = l.level))), date_part('epoch', now())
FROM unnest(%(levels)s::int[]) AS l(level)

-- name: groups
-- The figures of each type in a range, or of each queue.
SELECT CASE %(by)s WHEN 'queue' THEN queue ELSE type END AS name, sum(submitted)::bigint, sum(completed)::bigint, sum(failed)::bigint, sum(retried)::bigint,
    sum(timed_out)::bigint, sum(cancelled)::bigint, sum(cpu_seconds), sum(wait_seconds), sum(run_seconds),
    sum(total_seconds)
FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
CROSS JOIN LATERAL (SELECT * FROM metric_counts c WHERE c.level_seconds = l.level AND c.at >= to_timestamp(l.since)
    AND c.at < to_timestamp(l.until) OFFSET 0) m
WHERE (%(queue)s::text IS NULL OR queue = %(queue)s) AND (%(type)s::text IS NULL OR type = %(type)s)
GROUP BY name

-- name: group_histograms
-- Their histograms as arrays; measure 1 is waiting, 2 running, 3 from submission to end.
SELECT name, measure, array_agg(bucket), array_agg(n) FROM (
SELECT CASE %(by)s WHEN 'queue' THEN queue ELSE type END AS name, h.measure, h.bucket, sum(h.n)::bigint AS n
FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
CROSS JOIN LATERAL (SELECT * FROM metric_counts c WHERE c.level_seconds = l.level AND c.at >= to_timestamp(l.since)
    AND c.at < to_timestamp(l.until) OFFSET 0) m
CROSS JOIN LATERAL (
    SELECT 1 AS measure, * FROM unnest(wait_buckets, wait_counts) AS w(bucket, n)
    UNION ALL SELECT 2, * FROM unnest(run_buckets, run_counts) AS r(bucket, n)
    UNION ALL SELECT 3, * FROM unnest(total_buckets, total_counts) AS t(bucket, n)
) h
WHERE (%(queue)s::text IS NULL OR queue = %(queue)s) AND (%(type)s::text IS NULL OR type = %(type)s)
GROUP BY name, h.measure, h.bucket
) counted GROUP BY name, measure

-- name: agents
-- The figures of each agent, and its run time for all tasks.
SELECT agent, sum(completed) FILTER (WHERE is_meant)::bigint, sum(failed + retried) FILTER (WHERE is_meant)::bigint,
    sum(timed_out) FILTER (WHERE is_meant)::bigint, sum(runs) FILTER (WHERE is_meant)::bigint,
    sum(run_seconds) FILTER (WHERE is_meant), sum(run_seconds)
FROM (
    SELECT agent, completed, failed, retried, timed_out, run_seconds,
        (SELECT coalesce(sum(c), 0) FROM unnest(run_counts) c) AS runs,
        (%(queue)s::text IS NULL OR queue = %(queue)s) AND (%(type)s::text IS NULL OR type = %(type)s) AS is_meant
    FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
    CROSS JOIN LATERAL (SELECT * FROM metric_counts c WHERE c.level_seconds = l.level AND c.at >= to_timestamp(l.since)
        AND c.at < to_timestamp(l.until) OFFSET 0) m
    WHERE agent <> ''
) counted
GROUP BY agent HAVING bool_or(is_meant)

-- name: presence
-- The known boots of agents in a range: slots of the latest boot, slots times seconds of all.
SELECT name, (array_agg(max_concurrency ORDER BY registered_at DESC))[1],
    sum(max_concurrency * (least(date_part('epoch', coalesce(left_at, now())), %(until)s)
        - greatest(date_part('epoch', registered_at), %(since)s)))
FROM agents
WHERE registered_at < to_timestamp(%(until)s) AND coalesce(left_at, now()) > to_timestamp(%(since)s)
GROUP BY name

-- name: loads
-- The utilisation of each agent by time step, which begin at `starts` (NULL: at multiples of their length): samples, the
-- sum of busy slots, and that of their shares of its slots.
SELECT coalesce((%(starts)s::float8[])[width_bucket(date_part('epoch', at), %(starts)s::float8[])],
    floor(date_part('epoch', at) / %(step)s) * %(step)s) AS start, name,
    coalesce(sum(count) FILTER (WHERE metric = 'load_ratio'), 0)::bigint,
    coalesce(sum(total) FILTER (WHERE metric = 'running'), 0), coalesce(sum(total) FILTER (WHERE metric = 'load_ratio'), 0)
FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
CROSS JOIN LATERAL (SELECT * FROM metric_samples c WHERE c.level_seconds = l.level AND c.at >= to_timestamp(l.since)
    AND c.at < to_timestamp(l.until) OFFSET 0) m
WHERE source = 'agent' AND metric IN ('running', 'load_ratio')
GROUP BY start, name ORDER BY start, name

-- name: led_minutes
-- The minutes of a range in which a leader was seen working. A handover within a unit may count twice there.
SELECT coalesce(sum(least(count, l.level / 60)), 0)::bigint
FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
CROSS JOIN LATERAL (SELECT * FROM metric_samples c WHERE c.level_seconds = l.level AND c.at >= to_timestamp(l.since)
    AND c.at < to_timestamp(l.until) OFFSET 0) m
WHERE source = 'service' AND metric = 'led_minutes'

-- name: led_units
-- The units of a range in which a leader was seen working: epoch seconds, the level, and in how many minutes.
SELECT date_part('epoch', at), l.level, sum(least(count, l.level / 60))::int
FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
CROSS JOIN LATERAL (SELECT * FROM metric_samples c WHERE c.level_seconds = l.level AND c.at >= to_timestamp(l.since)
    AND c.at < to_timestamp(l.until) OFFSET 0) m
WHERE source = 'service' AND metric = 'led_minutes'
GROUP BY at, l.level ORDER BY at

-- name: first_led
-- The oldest unit of each level with such a minute, in epoch seconds, and how many it has.
SELECT l.level, date_part('epoch', first.at), first.count
FROM unnest(%(levels)s::int[]) AS l(level)
CROSS JOIN LATERAL (
    SELECT at, count FROM metric_samples s
    WHERE s.level_seconds = l.level AND s.source = 'service' AND s.metric = 'led_minutes' ORDER BY at LIMIT 1
) first

-- name: peaks
-- The unit of each level within a range in which most tasks completed; reads at most this many of the last ones.
SELECT l.level, date_part('epoch', p.at), p.completed
FROM unnest(%(every_level)s::int[]) AS l(level)
CROSS JOIN LATERAL (
    SELECT c.at, sum(c.completed)::bigint AS completed FROM metric_counts c
    WHERE c.level_seconds = l.level
        AND c.at >= greatest(to_timestamp(%(since)s), to_timestamp(%(until)s) - make_interval(secs => %(most)s * l.level))
        AND c.at <= to_timestamp(%(until)s) - make_interval(secs => l.level)
        AND (%(queue)s::text IS NULL OR c.queue = %(queue)s) AND (%(type)s::text IS NULL OR c.type = %(type)s)
    GROUP BY c.at ORDER BY completed DESC, c.at LIMIT 1
) p
WHERE p.completed > 0

-- name: failures
-- Error groups in a range by failed attempts, of some types (NULL: all), and the number of groups.
SELECT g.fingerprint, g.type, g.class, g.message, s.attempts, s.tasks, g.first_seen, g.last_seen,
    coalesce(g.muted_until > now(), false), count(*) OVER ()
FROM (
    SELECT c.fingerprint, sum(c.attempts)::bigint AS attempts, sum(c.tasks)::bigint AS tasks
    FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
    CROSS JOIN LATERAL (SELECT * FROM failure_counts f WHERE f.level_seconds = l.level
        AND f.at >= to_timestamp(l.since) AND f.at < to_timestamp(l.until) OFFSET 0) c
    GROUP BY c.fingerprint
) s
JOIN failure_groups g USING (fingerprint)
WHERE %(types)s::text[] IS NULL OR g.type = ANY(%(types)s)
ORDER BY s.attempts DESC, g.last_seen DESC, fingerprint LIMIT %(limit)s

-- name: failures_of
-- How often some groups failed in a range.
SELECT c.fingerprint, sum(c.attempts)::bigint
FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
CROSS JOIN LATERAL (SELECT * FROM failure_counts f WHERE f.level_seconds = l.level
    AND f.at >= to_timestamp(l.since) AND f.at < to_timestamp(l.until) OFFSET 0) c
WHERE c.fingerprint = ANY(%(fingerprints)s::text[])
GROUP BY c.fingerprint

-- name: alerts
-- The alerts that fired in a range by rule and subject, worst first: how often, how long within it, since when, and
-- whether at its end.
SELECT rule, subject, severity, count, seconds, first_at, is_open FROM (
    SELECT rule, subject, (array_agg(severity ORDER BY array_position(ARRAY['critical', 'warning', 'info'], severity)))[1]
        AS severity, count(*), sum(date_part('epoch', least(coalesce(resolved_at, now()), to_timestamp(%(until)s))
        - greatest(fired_at, to_timestamp(%(since)s)))) AS seconds, min(fired_at) AS first_at,
        bool_or(coalesce(resolved_at >= to_timestamp(%(until)s), true)) AS is_open
    FROM alerts
    WHERE fired_at < to_timestamp(%(until)s) AND coalesce(resolved_at, now()) > to_timestamp(%(since)s)
    GROUP BY rule, subject
) counted
ORDER BY array_position(ARRAY['critical', 'warning', 'info'], severity), seconds DESC, rule, subject
