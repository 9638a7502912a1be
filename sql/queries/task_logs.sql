-- Reads a task's log, one page after the other. Sizes are checked before anything is sent. Entries of one time, as
-- those of one transaction were once, are ordered by their storage place. The index knows times only, so they are
-- bounded, too.

-- name: log_before
-- The newest entries, of all or before a place, as many as fit (one at least), in order; whether older ones did not fit.
WITH nearest AS (
    SELECT at, attempt, coalesce(detail ->> 'level', '') AS level, coalesce(detail ->> 'message', '') AS message,
        agent_id, ctid
    FROM task_events
    WHERE task_id = %(id)s::uuid AND event = 'log' AND at <= coalesce(%(at)s::timestamptz, 'infinity')
        AND (%(place)s::tid IS NULL OR (at, ctid) < (%(at)s::timestamptz, %(place)s::tid))
    ORDER BY at DESC, ctid DESC LIMIT %(limit)s
), sized AS (
    SELECT *, sum(octet_length(message)) OVER (ORDER BY at DESC, ctid DESC) AS bytes,
        row_number() OVER (ORDER BY at DESC, ctid DESC) AS number, count(*) OVER () AS found
    FROM nearest
), fitting AS (
    SELECT *, count(*) OVER () AS taken FROM sized WHERE bytes <= %(limit_bytes)s OR number = 1
)
SELECT at, attempt, level, message, agent_id, ctid::text AS place, taken < found AS has_more
FROM fitting ORDER BY at, ctid

-- name: log_after
-- The oldest entries, of all or behind a place, as many as fit (one at least), in order.
WITH nearest AS (
    SELECT at, attempt, coalesce(detail ->> 'level', '') AS level, coalesce(detail ->> 'message', '') AS message,
        agent_id, ctid
    FROM task_events
    WHERE task_id = %(id)s::uuid AND event = 'log' AND at >= coalesce(%(at)s::timestamptz, '-infinity')
        AND (%(place)s::tid IS NULL OR (at, ctid) > (%(at)s::timestamptz, %(place)s::tid))
    ORDER BY at, ctid LIMIT %(limit)s
), sized AS (
    SELECT *, sum(octet_length(message)) OVER (ORDER BY at, ctid) AS bytes,
        row_number() OVER (ORDER BY at, ctid) AS number
    FROM nearest
)
SELECT at, attempt, level, message, agent_id, ctid::text AS place FROM sized
WHERE bytes <= %(limit_bytes)s OR number = 1 ORDER BY at, ctid

-- name: log_matching
-- Looks back through a bounded number of entries, of all or before a place, newest first: those that match, as many as
-- fit, and the last one that was looked at; of each, how many were looked at, and how many of them match.
WITH nearest AS (
    SELECT at, attempt, coalesce(detail ->> 'level', '') AS level, coalesce(detail ->> 'message', '') AS message,
        agent_id, ctid
    FROM task_events
    WHERE task_id = %(id)s::uuid AND event = 'log' AND at <= coalesce(%(at)s::timestamptz, 'infinity')
        AND (%(place)s::tid IS NULL OR (at, ctid) < (%(at)s::timestamptz, %(place)s::tid))
    ORDER BY at DESC, ctid DESC LIMIT %(look_at)s
), judged AS (
    SELECT *, (%(attempt)s::int IS NULL OR attempt = %(attempt)s)
        AND (%(kinds)s::text[] IS NULL
            OR CASE WHEN level IN ('stdout', 'stderr') THEN level ELSE 'log' END = ANY(%(kinds)s::text[]))
        AND (%(pattern)s::text IS NULL OR message ILIKE %(pattern)s) AS is_match
    FROM nearest
), sized AS (
    SELECT *, row_number() OVER backwards AS number, count(*) OVER () AS looked_at,
        count(*) FILTER (WHERE is_match) OVER () AS matching,
        count(*) FILTER (WHERE is_match) OVER backwards AS hit,
        sum(octet_length(message)) FILTER (WHERE is_match) OVER backwards AS bytes
    FROM judged WINDOW backwards AS (ORDER BY at DESC, ctid DESC)
), fitting AS (
    SELECT *, is_match AND hit <= %(limit)s AND (bytes <= %(limit_bytes)s OR (hit = 1 AND %(is_first)s)) AS is_taken
    FROM sized
)
SELECT at, attempt, level, CASE WHEN is_taken THEN message ELSE '' END, agent_id, ctid::text AS place, is_taken,
    looked_at, matching
FROM fitting WHERE is_taken OR number = looked_at ORDER BY at DESC, ctid DESC
