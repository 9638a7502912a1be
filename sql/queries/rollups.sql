-- Roll-ups of the audit log: minutes from events, hours from minutes, days from hours. Each replaces its own earlier
-- result for the same span, so that it can be repeated; its progress is committed with it.
-- Buckets are those of taskyard.core.telemetry.histogram; a span always begins at a whole multiple of its level since 1970 (UTC).

-- name: one_process
-- Turns off parallel workers for this transaction, since the tick must not be slowed down. And nested loops where there
-- is a choice: the planner has no statistics of a span that was just filled.
SELECT set_config('max_parallel_workers_per_gather', '0', true), set_config('enable_nestloop', 'off', true),
    set_config('jit', 'off', true)

-- name: summarise_times
-- Updates the audit log's index of times with newly written pages. Pages unknown to the index may hold any time, so
-- that every query of a range reads them: without this, all since the last VACUUM, up to a fifth of a day.
SELECT brin_summarize_new_values(i.inhrelid)
FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid JOIN pg_class t ON t.oid = x.indrelid
WHERE i.inhparent = 'task_events_at'::regclass AND t.relname IN ('task_events_default',
    'task_events_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD'),
    'task_events_' || to_char(now() AT TIME ZONE 'UTC' - interval '1 hour', 'YYYYMMDD'))

-- name: progress
-- The progress of a level, in epoch seconds, locked against others who roll it up.
SELECT date_part('epoch', rolled_to) FROM metric_progress WHERE level_seconds = %(level)s FOR UPDATE

-- name: begin_progress
-- Starts a level at the oldest event.
INSERT INTO metric_progress (level_seconds, rolled_to)
SELECT %(level)s, to_timestamp(floor(date_part('epoch', coalesce(min(at), now())) / %(level)s) * %(level)s)
FROM task_events
ON CONFLICT DO NOTHING

-- name: set_progress
-- Records that everything before a time has been counted.
UPDATE metric_progress SET rolled_to = to_timestamp(%(until)s) WHERE level_seconds = %(level)s

-- name: levels
-- The progress of each level, in epoch seconds.
SELECT level_seconds, date_part('epoch', rolled_to) FROM metric_progress

-- name: settled_until
-- The time (epoch seconds) before which no new event can appear: each has the time at which its transaction began.
-- A transaction that stays open longer than the patience is ignored.
SELECT date_part('epoch', greatest(
    least(now() - interval '1 second', min(xact_start)), now() - make_interval(secs => %(patience_seconds)s)))
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'

-- name: delete_counts
-- Deletes a span's counts before they are written again.
DELETE FROM metric_counts
WHERE level_seconds = %(level)s AND at >= to_timestamp(%(since)s) AND at < to_timestamp(%(until)s)

-- name: count_events
-- The counts and histograms of a span of minutes, from the events.
WITH counted AS MATERIALIZED (
    SELECT to_timestamp(floor(date_part('epoch', at) / 60) * 60) AS at, queue, type, event,
        CASE WHEN event <> 'submitted' AND agent_id IS NOT NULL
            THEN left(agent_id, -strpos(reverse(agent_id), ':')) ELSE '' END AS agent,
        CASE WHEN event IN ('failed', 'attempt_failed') THEN coalesce(detail->>'class', 'transient') END AS class,
        wait_seconds::float8, run_seconds::float8, cpu_seconds, peak_memory_bytes,
        CASE WHEN event <> 'cancelled' THEN total_seconds::float8 END AS total_seconds
    FROM task_events
    WHERE at >= to_timestamp(%(since)s) AND at < to_timestamp(%(until)s) AND type IS NOT NULL
        AND event IN ('submitted', 'completed', 'failed', 'attempt_failed', 'cancelled')
), sums AS (
    SELECT at, queue, type, agent,
        count(*) FILTER (WHERE event = 'submitted') AS submitted,
        count(*) FILTER (WHERE event = 'completed') AS completed,
        count(*) FILTER (WHERE event = 'failed') AS failed,
        count(*) FILTER (WHERE event = 'attempt_failed') AS retried,
        count(*) FILTER (WHERE class = 'timeout') AS timed_out,
        count(*) FILTER (WHERE event = 'cancelled') AS cancelled,
        coalesce(sum(wait_seconds), 0) AS wait_seconds, coalesce(sum(run_seconds), 0) AS run_seconds,
        coalesce(sum(total_seconds), 0) AS total_seconds,
        coalesce(sum(cpu_seconds::float8), 0) AS cpu_seconds, max(peak_memory_bytes) AS peak_memory_bytes
    FROM counted GROUP BY at, queue, type, agent
), classes AS (
    SELECT at, queue, type, agent, jsonb_object_agg(class, n) AS failures
    FROM (SELECT at, queue, type, agent, class, count(*) AS n FROM counted WHERE class IS NOT NULL
        GROUP BY at, queue, type, agent, class) c
    GROUP BY at, queue, type, agent
), buckets AS (
    SELECT at, queue, type, agent, m.measure,
        ceil(ln(greatest(m.seconds, %(least)s)) / %(log_growth)s)::int AS bucket, count(*) AS n
    FROM counted CROSS JOIN LATERAL (VALUES (1, wait_seconds), (2, run_seconds), (3, total_seconds))
        AS m(measure, seconds)
    WHERE m.seconds IS NOT NULL
    GROUP BY at, queue, type, agent, m.measure, bucket
), histograms AS (
    SELECT at, queue, type, agent,
        array_agg(bucket ORDER BY bucket) FILTER (WHERE measure = 1) AS wait_buckets,
        array_agg(n ORDER BY bucket) FILTER (WHERE measure = 1) AS wait_counts,
        array_agg(bucket ORDER BY bucket) FILTER (WHERE measure = 2) AS run_buckets,
        array_agg(n ORDER BY bucket) FILTER (WHERE measure = 2) AS run_counts,
        array_agg(bucket ORDER BY bucket) FILTER (WHERE measure = 3) AS total_buckets,
        array_agg(n ORDER BY bucket) FILTER (WHERE measure = 3) AS total_counts
    FROM buckets GROUP BY at, queue, type, agent
)
INSERT INTO metric_counts (level_seconds, at, queue, type, agent, submitted, completed, failed, retried, timed_out,
    cancelled, failures, wait_seconds, wait_buckets, wait_counts, run_seconds, run_buckets, run_counts,
    total_seconds, total_buckets, total_counts, cpu_seconds, peak_memory_bytes)
SELECT 60, s.at, s.queue, s.type, s.agent, s.submitted, s.completed, s.failed, s.retried, s.timed_out, s.cancelled,
    coalesce(c.failures, '{}'), s.wait_seconds, coalesce(h.wait_buckets, '{}'), coalesce(h.wait_counts, '{}'),
    s.run_seconds, coalesce(h.run_buckets, '{}'), coalesce(h.run_counts, '{}'),
    s.total_seconds, coalesce(h.total_buckets, '{}'), coalesce(h.total_counts, '{}'), s.cpu_seconds, s.peak_memory_bytes
FROM sums s LEFT JOIN classes c USING (at, queue, type, agent) LEFT JOIN histograms h USING (at, queue, type, agent)

-- name: sum_counts
-- The counts and histograms of a span at one level, from the level below it.
WITH below AS MATERIALIZED (
    SELECT to_timestamp(floor(date_part('epoch', m.at) / %(level)s) * %(level)s) AS at, m.queue, m.type, m.agent,
        m.submitted, m.completed, m.failed, m.retried, m.timed_out, m.cancelled, m.failures, m.cpu_seconds,
        m.peak_memory_bytes, m.wait_seconds, m.wait_buckets, m.wait_counts, m.run_seconds, m.run_buckets,
        m.run_counts, m.total_seconds, m.total_buckets, m.total_counts
    FROM metric_counts m
    WHERE m.level_seconds = %(below)s AND m.at >= to_timestamp(%(since)s) AND m.at < to_timestamp(%(until)s)
), sums AS (
    SELECT at, queue, type, agent, sum(submitted) AS submitted, sum(completed) AS completed, sum(failed) AS failed,
        sum(retried) AS retried, sum(timed_out) AS timed_out, sum(cancelled) AS cancelled,
        sum(wait_seconds) AS wait_seconds, sum(run_seconds) AS run_seconds, sum(total_seconds) AS total_seconds,
        sum(cpu_seconds) AS cpu_seconds, max(peak_memory_bytes) AS peak_memory_bytes
    FROM below GROUP BY at, queue, type, agent
), classes AS (
    SELECT at, queue, type, agent, jsonb_object_agg(class, n) AS failures
    FROM (SELECT at, queue, type, agent, f.key AS class, sum(f.value::bigint) AS n
        FROM below CROSS JOIN LATERAL jsonb_each_text(failures) f GROUP BY at, queue, type, agent, f.key) c
    GROUP BY at, queue, type, agent
), buckets AS (
    SELECT at, queue, type, agent, m.measure, m.bucket, sum(m.n) AS n
    FROM below CROSS JOIN LATERAL (
        SELECT 1 AS measure, * FROM unnest(wait_buckets, wait_counts) AS w(bucket, n)
        UNION ALL SELECT 2, * FROM unnest(run_buckets, run_counts) AS r(bucket, n)
        UNION ALL SELECT 3, * FROM unnest(total_buckets, total_counts) AS t(bucket, n)
    ) m
    GROUP BY at, queue, type, agent, m.measure, m.bucket
), histograms AS (
    SELECT at, queue, type, agent,
        array_agg(bucket ORDER BY bucket) FILTER (WHERE measure = 1) AS wait_buckets,
        array_agg(n ORDER BY bucket) FILTER (WHERE measure = 1) AS wait_counts,
        array_agg(bucket ORDER BY bucket) FILTER (WHERE measure = 2) AS run_buckets,
        array_agg(n ORDER BY bucket) FILTER (WHERE measure = 2) AS run_counts,
        array_agg(bucket ORDER BY bucket) FILTER (WHERE measure = 3) AS total_buckets,
        array_agg(n ORDER BY bucket) FILTER (WHERE measure = 3) AS total_counts
    FROM buckets GROUP BY at, queue, type, agent
)
INSERT INTO metric_counts (level_seconds, at, queue, type, agent, submitted, completed, failed, retried, timed_out,
    cancelled, failures, wait_seconds, wait_buckets, wait_counts, run_seconds, run_buckets, run_counts,
    total_seconds, total_buckets, total_counts, cpu_seconds, peak_memory_bytes)
SELECT %(level)s, s.at, s.queue, s.type, s.agent, s.submitted, s.completed, s.failed, s.retried, s.timed_out,
    s.cancelled, coalesce(c.failures, '{}'), s.wait_seconds, coalesce(h.wait_buckets, '{}'),
    coalesce(h.wait_counts, '{}'), s.run_seconds, coalesce(h.run_buckets, '{}'), coalesce(h.run_counts, '{}'),
    s.total_seconds, coalesce(h.total_buckets, '{}'), coalesce(h.total_counts, '{}'), s.cpu_seconds, s.peak_memory_bytes
FROM sums s LEFT JOIN classes c USING (at, queue, type, agent) LEFT JOIN histograms h USING (at, queue, type, agent)

-- name: sum_samples
-- The samples of a span at one level, from the level below it.
INSERT INTO metric_samples (level_seconds, at, source, name, metric, count, total, least, most)
SELECT %(level)s, to_timestamp(floor(date_part('epoch', at) / %(level)s) * %(level)s) AS start, source, name, metric,
    sum(count), sum(total), min(least), max(most)
FROM metric_samples
WHERE level_seconds = %(below)s AND at >= to_timestamp(%(since)s) AND at < to_timestamp(%(until)s)
GROUP BY start, source, name, metric
ON CONFLICT (level_seconds, at, source, name, metric) DO UPDATE
    SET count = EXCLUDED.count, total = EXCLUDED.total, least = EXCLUDED.least, most = EXCLUDED.most

-- name: add_samples
-- Samples of one minute, added to existing ones.
INSERT INTO metric_samples (level_seconds, at, source, name, metric, count, total, least, most)
SELECT 60, to_timestamp(s.at), s.source, s.name, s.metric, s.count, s.total, s.least, s.most
FROM jsonb_to_recordset(%(samples)s::jsonb)
    AS s(at float8, source text, name text, metric text, count bigint, total float8, least float8, most float8)
ON CONFLICT (level_seconds, at, source, name, metric) DO UPDATE SET
    count = metric_samples.count + EXCLUDED.count, total = metric_samples.total + EXCLUDED.total,
    least = least(metric_samples.least, EXCLUDED.least), most = greatest(metric_samples.most, EXCLUDED.most)

-- The spans of a reading are looked up one by one (OFFSET 0 keeps the planner from reversing that).

-- name: series
-- Counts by time step that match (a NULL filter matches all), from the coarsest level that fits the step
-- as far as it is rolled up, and from finer levels after that. Steps begin at `starts`; if that is NULL, at multiples of
-- their length.
SELECT coalesce((%(starts)s::float8[])[width_bucket(date_part('epoch', at), %(starts)s::float8[])],
    floor(date_part('epoch', at) / %(step)s) * %(step)s) AS start, sum(submitted)::bigint, sum(completed)::bigint,
    sum(failed)::bigint, sum(retried)::bigint, sum(timed_out)::bigint, sum(cancelled)::bigint, sum(cpu_seconds),
    sum(wait_seconds), sum(run_seconds), sum(total_seconds)
FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
CROSS JOIN LATERAL (SELECT * FROM metric_counts c WHERE c.level_seconds = l.level AND c.at >= to_timestamp(l.since)
    AND c.at < to_timestamp(l.until) OFFSET 0) m
WHERE (%(queue)s::text IS NULL OR queue = %(queue)s) AND (%(type)s::text IS NULL OR type = %(type)s)
    AND (%(agent)s::text IS NULL OR agent = %(agent)s)
GROUP BY start ORDER BY start

-- name: series_histograms
-- The histograms of the same steps as arrays; measure 1 is waiting, 2 running, 3 from submission to end.
SELECT start, measure, array_agg(bucket), array_agg(n) FROM (
SELECT coalesce((%(starts)s::float8[])[width_bucket(date_part('epoch', at), %(starts)s::float8[])],
    floor(date_part('epoch', at) / %(step)s) * %(step)s) AS start, h.measure, h.bucket, sum(h.n)::bigint AS n
FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
CROSS JOIN LATERAL (SELECT * FROM metric_counts c WHERE c.level_seconds = l.level AND c.at >= to_timestamp(l.since)
    AND c.at < to_timestamp(l.until) OFFSET 0) m
CROSS JOIN LATERAL (
    SELECT 1 AS measure, * FROM unnest(wait_buckets, wait_counts) AS w(bucket, n)
    UNION ALL SELECT 2, * FROM unnest(run_buckets, run_counts) AS r(bucket, n)
    UNION ALL SELECT 3, * FROM unnest(total_buckets, total_counts) AS t(bucket, n)
) h
WHERE (%(queue)s::text IS NULL OR queue = %(queue)s) AND (%(type)s::text IS NULL OR type = %(type)s)
    AND (%(agent)s::text IS NULL OR agent = %(agent)s)
GROUP BY start, h.measure, h.bucket
) counted GROUP BY start, measure

-- name: series_failures
-- Failed attempts of the same steps by error class.
SELECT coalesce((%(starts)s::float8[])[width_bucket(date_part('epoch', at), %(starts)s::float8[])],
    floor(date_part('epoch', at) / %(step)s) * %(step)s) AS start, f.key, sum(f.value::bigint)::bigint
FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
CROSS JOIN LATERAL (SELECT * FROM metric_counts c WHERE c.level_seconds = l.level AND c.at >= to_timestamp(l.since)
    AND c.at < to_timestamp(l.until) OFFSET 0) m
CROSS JOIN LATERAL jsonb_each_text(failures) f
WHERE failed + retried > 0 AND (%(queue)s::text IS NULL OR queue = %(queue)s) AND (%(type)s::text IS NULL OR type = %(type)s)
    AND (%(agent)s::text IS NULL OR agent = %(agent)s)
GROUP BY start, f.key

-- name: reliability
-- The results of each agent with each type over a time: ends, failed attempts, and run times.
SELECT agent, type, sum(completed)::bigint, sum(failed + retried)::bigint, sum(run_seconds), sum(n)::bigint
FROM (
    SELECT agent, type, completed, failed, retried, run_seconds,
        (SELECT coalesce(sum(c), 0) FROM unnest(run_counts) c) AS n
    FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
    CROSS JOIN LATERAL (SELECT * FROM metric_counts c WHERE c.level_seconds = l.level AND c.at >= to_timestamp(l.since)
        AND c.at < to_timestamp(l.until) OFFSET 0) m
    WHERE agent <> ''
) counted
GROUP BY agent, type ORDER BY agent, type

-- name: queue_counts
-- Arrivals, completions and ends of each queue in windows of whole minutes before a time (epoch seconds).
SELECT m.queue, w.minutes, sum(m.submitted)::bigint, sum(m.completed)::bigint,
    sum(m.completed + m.failed + m.cancelled)::bigint
FROM unnest(%(windows)s::int[]) AS w(minutes)
CROSS JOIN LATERAL (SELECT * FROM metric_counts c WHERE c.level_seconds = 60
    AND c.at >= to_timestamp(%(until)s - 60 * w.minutes) AND c.at < to_timestamp(%(until)s) OFFSET 0) m
GROUP BY m.queue, w.minutes

-- name: first_seen
-- When each type active since a time was first seen in that time, by the hours; epoch seconds.
SELECT type, date_part('epoch', min(at)) FROM metric_counts
WHERE level_seconds = 3600 AND at >= to_timestamp(%(since)s) GROUP BY type

-- name: slots
-- The figures of each type in units of one level that began at these times (epoch seconds), with its run times as pairs
-- of arrays: the input of anomaly detection.
SELECT s.start, m.type, sum(m.submitted)::bigint, sum(m.completed + m.failed + m.retried)::bigint,
    sum(m.failed + m.retried)::bigint, jsonb_agg(jsonb_build_array(m.run_buckets, m.run_counts))
FROM unnest(%(starts)s::float8[]) AS s(start)
CROSS JOIN LATERAL (SELECT * FROM metric_counts c
    WHERE c.level_seconds = %(level)s AND c.at = to_timestamp(s.start) OFFSET 0) m
GROUP BY s.start, m.type

-- name: samples
-- The samples of one source over time, by the coarsest level that fits as above.
SELECT floor(date_part('epoch', at) / %(step)s) * %(step)s AS start, name, metric, sum(total) / sum(count), min(least),
    max(most)
FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
CROSS JOIN LATERAL (SELECT * FROM metric_samples c WHERE c.level_seconds = l.level AND c.at >= to_timestamp(l.since)
    AND c.at < to_timestamp(l.until) OFFSET 0) m
WHERE source = %(source)s AND (%(metric)s::text IS NULL OR metric = %(metric)s)
    AND (%(name)s::text IS NULL OR name = %(name)s)
GROUP BY start, name, metric ORDER BY start, name, metric

-- name: foremost_samples
-- The samples of a metric over time, by the coarsest level that fits as above: of each of the names with the most, and
-- of all others together, as the name NULL. The sum of the means, the maximum, and how many names these are of.
WITH sampled AS MATERIALIZED (
    SELECT floor(date_part('epoch', at) / %(step)s) * %(step)s AS start, name, sum(total) / sum(count) AS mean,
        max(most) AS most
    FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
    CROSS JOIN LATERAL (SELECT * FROM metric_samples c WHERE c.level_seconds = l.level
        AND c.at >= to_timestamp(l.since) AND c.at < to_timestamp(l.until) OFFSET 0) m
    WHERE source = %(source)s AND metric = %(metric)s
    GROUP BY start, name
), foremost AS (
    SELECT name FROM sampled GROUP BY name ORDER BY sum(mean) DESC, name LIMIT %(names)s
)
SELECT s.start, f.name, sum(s.mean), max(s.most), count(*)
FROM sampled s LEFT JOIN foremost f USING (name)
GROUP BY s.start, f.name ORDER BY s.start, f.name

-- name: prune_counts
-- Removes a level's counts that began before a time.
DELETE FROM metric_counts WHERE level_seconds = %(level)s AND at < to_timestamp(%(until)s)

-- name: prune_samples
-- Removes a level's samples that began before a time.
DELETE FROM metric_samples WHERE level_seconds = %(level)s AND at < to_timestamp(%(until)s)
