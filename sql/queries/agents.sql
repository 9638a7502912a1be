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
    s.start + e.run_seconds, e.event, e.run_seconds, e.total
FROM (
    SELECT agent_id, task_id, attempt, type, event, at, run_seconds::float8, count(*) OVER () AS total
    FROM task_events
    WHERE at >= to_timestamp(%(since)s) AND at < to_timestamp(%(until)s)
        AND event IN ('completed', 'failed', 'attempt_failed') AND run_seconds IS NOT NULL AND agent_id IS NOT NULL
    ORDER BY run_seconds DESC LIMIT %(limit)s
) e
LEFT JOIN tasks t ON t.id = e.task_id AND t.attempt = e.attempt
CROSS JOIN LATERAL (
    SELECT coalesce(date_part('epoch', CASE WHEN e.event <> 'attempt_failed' THEN t.started_at END),
        date_part('epoch', e.at) - e.run_seconds) AS start
) s
