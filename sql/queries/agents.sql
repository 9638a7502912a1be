-- Operators' commands to agents, and the history of agents.

-- name: restart_agent
-- The present boots of an agent that an operator asks to restart.
WITH present AS (
    SELECT id, name FROM agents WHERE name = %(name)s AND left_at IS NULL
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'agent_restarted', %(actor)s,
        jsonb_build_object('name', name, 'boots', jsonb_agg(id), 'reason', %(reason)s::text)
    FROM present GROUP BY name
)
SELECT id FROM present ORDER BY id

-- name: ends
-- The longest attempts that ended in a span, and how many ended in total. An attempt's start is taken from its task's
-- row, if that still exists and is at that attempt; otherwise the time its end was recorded is used.
SELECT left(e.agent_id, -strpos(reverse(e.agent_id), ':')), e.task_id, e.attempt, e.type, s.start,
    s.start + e.run_seconds, e.event, coalesce(a.host, ''), e.run_seconds, e.total
FROM (
    SELECT agent_id, task_id, attempt, type, event, at, run_seconds::float8, count(*) OVER () AS total
    FROM task_events
    WHERE at >= to_timestamp(%(since)s) AND at < to_timestamp(%(until)s)
        AND event IN ('completed', 'failed', 'attempt_failed') AND run_seconds IS NOT NULL AND agent_id IS NOT NULL
    ORDER BY run_seconds DESC LIMIT %(limit)s
) e
LEFT JOIN tasks t ON t.id = e.task_id AND t.attempt = e.attempt
LEFT JOIN agents a ON a.id = e.agent_id
CROSS JOIN LATERAL (
    SELECT coalesce(date_part('epoch', CASE WHEN e.event <> 'attempt_failed' THEN t.started_at END),
        date_part('epoch', e.at) - e.run_seconds) AS start
) s

-- The ranges of what follows are read by levels and spans, as in rollups.sql.

-- name: results
-- The results of each agent with each type over a range: ends, failed attempts, and run times as a sum and a histogram.
WITH counted AS MATERIALIZED (
    SELECT m.agent, m.type, m.completed, m.failed + m.retried AS failed, m.run_seconds, m.run_buckets, m.run_counts
    FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
    CROSS JOIN LATERAL (SELECT * FROM metric_counts c WHERE c.level_seconds = l.level AND c.at >= to_timestamp(l.since)
        AND c.at < to_timestamp(l.until) OFFSET 0) m
    WHERE m.agent <> ''
), sums AS (
    SELECT agent, type, sum(completed)::bigint AS completed, sum(failed)::bigint AS failed, sum(run_seconds) AS run_seconds
    FROM counted GROUP BY agent, type
), buckets AS (
    SELECT agent, type, h.bucket, sum(h.n)::bigint AS n
    FROM counted CROSS JOIN LATERAL unnest(run_buckets, run_counts) AS h(bucket, n)
    GROUP BY agent, type, h.bucket
), histograms AS (
    SELECT agent, type, array_agg(bucket) AS buckets, array_agg(n) AS counts FROM buckets GROUP BY agent, type
)
SELECT s.agent, s.type, s.completed, s.failed, s.run_seconds, coalesce(h.buckets, '{}'), coalesce(h.counts, '{}')
FROM sums s LEFT JOIN histograms h USING (agent, type)
ORDER BY s.agent, s.type

-- name: steps
-- How many attempts ended in each step of a range and how long they ran, of the first agents by name. NULL names,
-- queues and types match all.
SELECT agent, start, completed, failed, run_seconds
FROM (
    SELECT m.agent, floor(date_part('epoch', m.at) / %(step)s) * %(step)s AS start, sum(m.completed)::bigint AS completed,
        sum(m.failed + m.retried)::bigint AS failed, sum(m.run_seconds) AS run_seconds,
        dense_rank() OVER (ORDER BY m.agent) AS place
    FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
    CROSS JOIN LATERAL (SELECT * FROM metric_counts c WHERE c.level_seconds = l.level AND c.at >= to_timestamp(l.since)
        AND c.at < to_timestamp(l.until) OFFSET 0) m
    WHERE m.agent <> '' AND (%(agent)s::text IS NULL OR m.agent = %(agent)s)
        AND (%(queues)s::text[] IS NULL OR m.queue = ANY(%(queues)s::text[]))
        AND (%(types)s::text[] IS NULL OR m.type = ANY(%(types)s::text[]))
    GROUP BY m.agent, start
    HAVING sum(m.completed + m.failed + m.retried) > 0
) counted
WHERE place <= %(agents)s
ORDER BY agent, start
