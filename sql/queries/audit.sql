-- Reads the audit log, newest events first. Its only index by time is BRIN, so a search goes through one span of time
-- after another (taskyard.core.postgres.store.audit). Events of one transaction have the same time and are ordered by their storage place.

-- name: entries
-- The newest events of a span, before a place (a NULL bounds nothing).
SELECT task_id, at, event, from_state, to_state, attempt, actor, agent_id, detail, ctid::text AS place
FROM task_events
WHERE at >= %(low)s::timestamptz AND at < %(high)s::timestamptz
    AND (%(place)s::tid IS NULL OR (at, ctid) < (%(place_at)s::timestamptz, %(place)s::tid))
    -- one index has the entries of tasks' logs, another one everything else of tasks
    AND (%(task_id)s::uuid IS NULL OR (task_id = %(task_id)s::uuid AND (event = 'log' OR event <> 'log')))
    AND (NOT %(only_operators)s OR ((task_id IS NULL OR event IN ('cancelled', 'reprioritised', 'retried'))
        AND actor <> 'dispatcher'))
    AND (%(events)s::text[] IS NULL OR event = ANY(%(events)s::text[]))
    AND (%(actor)s::text IS NULL OR actor = %(actor)s)
    AND (%(agent)s::text IS NULL OR left(agent_id, -strpos(reverse(agent_id), ':')) = %(agent)s)
    AND (%(pattern)s::text IS NULL OR detail::text ILIKE %(pattern)s)
ORDER BY at DESC, ctid DESC LIMIT %(limit)s

-- name: deployed_types
-- The types of which agents deployed other versions, by step (a start in epoch seconds), from the index of users' actions.
SELECT step, array_agg(DISTINCT type ORDER BY type)
FROM (
    SELECT floor(date_part('epoch', at) / %(step)s) * %(step)s AS step, jsonb_object_keys(detail -> 'types') AS type
    FROM task_events
    WHERE at >= to_timestamp(%(since)s) AND at < to_timestamp(%(until)s)
        AND task_id IS NULL AND event = 'types_deployed'
) deployed
GROUP BY step ORDER BY step

-- name: first_in_default
-- The first event in the default partition.
SELECT min(at) FROM task_events_default
