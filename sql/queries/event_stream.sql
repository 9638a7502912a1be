-- The audit log as a stream: each event once, after it can no longer be preceded by another.

-- name: horizon
-- The id below which every transaction has ended, the time, and since when the oldest transaction runs.
SELECT txid_snapshot_xmin(txid_current_snapshot()), now(), coalesce((
    SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
), now())

-- name: between
-- Events that were written by the transactions from one id up to another, in a fixed order. Of rows, xmin has the last
-- 32 bits of the id.
SELECT e.task_id::text, e.at, e.event, e.from_state, e.to_state, e.attempt, e.actor, e.agent_id, e.detail,
    coalesce(e.queue, t.queue), coalesce(e.type, t.type)
FROM (
    SELECT *, tableoid AS part, ctid AS place,
        txid_current_snapshot_xmax - ((txid_current_snapshot_xmax - xmin::text::bigint) & 4294967295) AS transaction
    FROM task_events, txid_snapshot_xmax(txid_current_snapshot()) AS txid_current_snapshot_xmax
    WHERE at >= %(since)s AND (%(task_id)s::uuid IS NULL OR task_id = %(task_id)s::uuid) AND event <> 'log'
) AS e
LEFT JOIN tasks t ON t.id = e.task_id
WHERE e.transaction >= %(low)s AND e.transaction < %(high)s
ORDER BY e.at, e.part, e.place
LIMIT %(limit)s OFFSET %(skip)s
