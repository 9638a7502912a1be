-- Restart requests that are not yet carried out.

-- name: restarts_asked
-- The present boots that were asked to restart in the last hour: when, by whom, why. Operators' rows belong to no
-- task, by which they are found.
SELECT DISTINCT ON (a.id) a.id, e.at, e.actor, e.detail->>'reason'
FROM task_events e CROSS JOIN LATERAL jsonb_array_elements_text(e.detail->'boots') AS b(id)
JOIN agents a ON a.id = b.id AND a.left_at IS NULL
WHERE e.task_id IS NULL AND e.event = 'agent_restarted' AND e.at > now() - interval '1 hour'
ORDER BY a.id, e.at DESC
