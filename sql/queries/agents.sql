-- What operators do to agents, and what agents did.

-- name: restart_agent
-- The present boots of an agent that is asked to restart.
WITH present AS (
    SELECT id, name FROM agents WHERE name = %(name)s AND left_at IS NULL
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'agent_restarted', %(actor)s,
        jsonb_build_object('name', name, 'boots', jsonb_agg(id), 'reason', %(reason)s::text)
    FROM present GROUP BY name
)
SELECT id FROM present ORDER BY id
