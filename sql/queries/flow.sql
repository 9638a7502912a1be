-- How tasks flow through the queues, by the counts of each minute.

-- name: queue_minutes
-- How many tasks came into each queue and how many ended, minute by minute of a range; minutes as epoch seconds.
SELECT queue, date_part('epoch', at), sum(submitted)::bigint, sum(completed + failed + cancelled)::bigint
FROM metric_counts
WHERE level_seconds = 60 AND at >= to_timestamp(%(since)s) AND at < to_timestamp(%(until)s)
GROUP BY queue, at
