-- Counts for the live snapshot; each statement's cost depends on the unfinished tasks, not on the history.

-- name: open_counts
-- The unfinished tasks by queue, type, tags, state, priority, and whether they could start now, as those do that are due;
-- the ready time of each group's oldest; and the sum of the means of their predicted run
-- times, with the number of those that have one. Older processes store no mean.
SELECT queue, type, requires, state, priority, is_ready, count(*), date_part('epoch', min(ready_at)),
    sum(mean_seconds), count(mean_seconds)
FROM (
    SELECT queue, type, requires, state, priority, ready_at, coalesce(predicted_mean, predicted_seconds) AS mean_seconds,
        state = 'pending' OR (state IN ('scheduled', 'suspended') AND coalesce(run_at <= now(), false)) AS is_ready
    FROM tasks WHERE finished_at IS NULL
) t
GROUP BY queue, type, requires, state, priority, is_ready

-- name: finished_counts
-- How many tasks of each type ended, by outcome, from the roll-ups.
SELECT type, sum(completed)::bigint, sum(failed)::bigint, sum(cancelled)::bigint
FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
CROSS JOIN LATERAL (SELECT * FROM metric_counts c WHERE c.level_seconds = l.level AND c.at >= to_timestamp(l.since)
    AND c.at < to_timestamp(l.until) OFFSET 0) m
GROUP BY type HAVING sum(completed + failed + cancelled) > 0 ORDER BY type

-- name: last_submissions
-- When each type was last submitted (epoch seconds), and in how many of the hours before a time it was.
SELECT type, date_part('epoch', max(at) FILTER (WHERE submitted > 0)) + 60,
    count(DISTINCT floor((date_part('epoch', at) - %(since)s) / 3600))
        FILTER (WHERE submitted > 0 AND at < to_timestamp(%(hour)s))
FROM metric_counts
WHERE level_seconds = 60 AND at >= to_timestamp(%(since)s) GROUP BY type

-- name: server
-- PostgreSQL's figures about itself and our database.
SELECT current_setting('server_version'), d.numbackends, current_setting('max_connections')::int,
    d.xact_commit, d.xact_rollback, d.blks_hit, d.blks_read, d.deadlocks, d.temp_bytes,
    current_setting('transaction_read_only') = 'on'
FROM pg_stat_database d WHERE d.datname = current_database()

-- name: database_size
-- Disk space of our database in bytes.
SELECT pg_database_size(current_database())
