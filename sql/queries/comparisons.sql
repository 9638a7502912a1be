-- Hourly comparisons of placement policies by replay.

-- name: add
-- Stores a comparison.
INSERT INTO policy_replays (at, queue, since, until, tasks, acting, policy, is_trusted, has_waited, figures)
VALUES (%(at)s, %(queue)s, %(since)s, %(until)s, %(tasks)s, %(acting)s, %(policy)s, %(is_trusted)s, %(has_waited)s,
    %(figures)s::jsonb)
ON CONFLICT (queue, at) DO NOTHING

-- name: between
-- Those made in a span, oldest first.
SELECT at, queue, since, until, tasks, acting, policy, is_trusted, has_waited, figures FROM policy_replays
WHERE at >= %(since)s AND at < %(until)s AND (%(queue)s::text IS NULL OR queue = %(queue)s) ORDER BY at, queue

-- name: last_times
-- When each queue was compared last.
SELECT queue, max(at) FROM policy_replays GROUP BY queue

-- name: prune
-- Deletes those before a time.
DELETE FROM policy_replays WHERE at < %(before)s

-- name: latest
-- The last one of each queue of those made in a span.
SELECT DISTINCT ON (queue) at, queue, since, until, tasks, acting, policy, is_trusted, has_waited, figures
FROM policy_replays WHERE at >= %(since)s AND at < %(until)s ORDER BY queue, at DESC
