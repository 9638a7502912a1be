-- Reports of agents that are newer than the leader, kept for one that understands them.

-- name: keep
-- Keeps reports, each once, and returns their numbers in no order.
INSERT INTO kept_reports (version, kind, sender, agent_id, pairs, reason, body, digest)
SELECT g.version, g.kind, g.sender, g.agent_id, g.pairs::jsonb, g.reason, decode(g.body, 'base64'), decode(g.digest, 'hex')
FROM jsonb_to_recordset(%(reports)s::jsonb)
    AS g(version integer, kind text, sender text, agent_id text, pairs text, reason text, body text, digest text)
ON CONFLICT (digest) DO NOTHING

-- name: kept
-- Every kept report in the order in which they came, without its text.
SELECT id, extract(epoch FROM kept_at)::float8, version, kind, sender, agent_id, pairs, reason, octet_length(body),
    encode(digest, 'hex')
FROM kept_reports ORDER BY id

-- name: bodies
-- The texts of some.
SELECT id, body FROM kept_reports WHERE id = ANY(%(ids)s::bigint[]) ORDER BY id

-- name: newest_of
-- The newest one that is about a task's current attempt.
SELECT k.id, k.version FROM kept_reports k JOIN tasks t ON t.id = %(task_id)s::uuid
WHERE k.pairs @> jsonb_build_array(jsonb_build_array(t.id::text, t.attempt)) AND t.state IN ('assigned', 'in_progress')
ORDER BY k.id DESC LIMIT 1

-- name: done_with
-- Deletes reports that were applied: the leader's.
DELETE FROM kept_reports WHERE id = ANY(%(ids)s::bigint[])

-- name: drop
-- Deletes reports of which somebody says that no leader will come who understands them.
WITH gone AS (
    DELETE FROM kept_reports WHERE id = ANY(%(ids)s::bigint[]) RETURNING id, version, kind, agent_id
), audit AS (
    INSERT INTO task_events (event, actor, agent_id, detail)
    SELECT 'kept_report_dropped', %(actor)s, agent_id,
        jsonb_build_object('report', id, 'version', version, 'kind', kind, 'reason', %(reason)s::text)
    FROM gone
)
SELECT id FROM gone
