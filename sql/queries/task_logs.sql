-- Reads a task's log, one page after the other. Sizes are checked before anything is sent. Entries of one transaction
-- have the same time and are ordered by their storage place.

-- name: log_before
-- The newest entries, of all or before a place, as many as fit (one at least), in order; whether older ones did not fit.
WITH nearest AS (
    SELECT at, attempt, coalesce(detail ->> 'level', '') AS level, coalesce(detail ->> 'message', '') AS message,
        agent_id, ctid
    FROM task_events
    WHERE task_id = %(id)s::uuid AND event = 'log'
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
    WHERE task_id = %(id)s::uuid AND event = 'log'
        AND (%(place)s::tid IS NULL OR (at, ctid) > (%(at)s::timestamptz, %(place)s::tid))
    ORDER BY at, ctid LIMIT %(limit)s
), sized AS (
    SELECT *, sum(octet_length(message)) OVER (ORDER BY at, ctid) AS bytes,
        row_number() OVER (ORDER BY at, ctid) AS number
    FROM nearest
)
SELECT at, attempt, level, message, agent_id, ctid::text AS place FROM sized
WHERE bytes <= %(limit_bytes)s OR number = 1 ORDER BY at, ctid
