-- Failures by fingerprint (taskyard.core.scheduling.retry.fingerprint): how often each occurred, by the same levels as the counts of
-- metrics.sql, and the details of each. Failures without a fingerprint belong to no group.

-- name: delete_failures
-- Deletes a span's counts before they are written again.
DELETE FROM failure_counts
WHERE level_seconds = %(level)s AND at >= to_timestamp(%(since)s) AND at < to_timestamp(%(until)s)

-- name: count_failures
-- The failures of a span of minutes, from the events, and the resulting state of their groups.
WITH failed AS MATERIALIZED (
    SELECT at, event, task_id, type, detail->>'fingerprint' AS fingerprint, detail->>'class' AS class,
        left(detail->>'message', %(message_limit)s) AS message,
        CASE WHEN agent_id IS NOT NULL THEN left(agent_id, -strpos(reverse(agent_id), ':')) ELSE '' END AS agent
    FROM task_events
    WHERE at >= to_timestamp(%(since)s) AND at < to_timestamp(%(until)s) AND type IS NOT NULL
        AND event IN ('failed', 'attempt_failed') AND detail->>'fingerprint' <> ''
), counted AS (
    INSERT INTO failure_counts (level_seconds, at, fingerprint, agent, attempts, tasks)
    SELECT 60, to_timestamp(floor(date_part('epoch', at) / 60) * 60) AS minute, fingerprint, agent, count(*),
        count(*) FILTER (WHERE event = 'failed')
    FROM failed GROUP BY minute, fingerprint, agent
), latest AS (
    SELECT DISTINCT ON (fingerprint) fingerprint, type, class, message, at, task_id
    FROM failed ORDER BY fingerprint, at DESC, task_id
), seen AS (
    SELECT fingerprint, min(at) AS first_seen FROM failed GROUP BY fingerprint
)
INSERT INTO failure_groups AS known (fingerprint, type, class, message, first_seen, last_seen, example_task_id)
SELECT fingerprint, l.type, coalesce(l.class, ''), coalesce(l.message, ''), s.first_seen, l.at, l.task_id
FROM latest l JOIN seen s USING (fingerprint) ORDER BY fingerprint
ON CONFLICT (fingerprint) DO UPDATE SET
    first_seen = least(known.first_seen, EXCLUDED.first_seen), last_seen = greatest(known.last_seen, EXCLUDED.last_seen),
    type = CASE WHEN EXCLUDED.last_seen >= known.last_seen THEN EXCLUDED.type ELSE known.type END,
    class = CASE WHEN EXCLUDED.last_seen >= known.last_seen THEN EXCLUDED.class ELSE known.class END,
    message = CASE WHEN EXCLUDED.last_seen >= known.last_seen THEN EXCLUDED.message ELSE known.message END,
    example_task_id = CASE WHEN EXCLUDED.last_seen >= known.last_seen THEN EXCLUDED.example_task_id
        ELSE known.example_task_id END
WHERE EXCLUDED.last_seen > known.last_seen OR EXCLUDED.first_seen < known.first_seen

-- name: sum_failures
-- The failures of a span at one level, from the level below it.
INSERT INTO failure_counts (level_seconds, at, fingerprint, agent, attempts, tasks)
SELECT %(level)s, to_timestamp(floor(date_part('epoch', at) / %(level)s) * %(level)s) AS start, fingerprint, agent,
    sum(attempts), sum(tasks)
FROM failure_counts
WHERE level_seconds = %(below)s AND at >= to_timestamp(%(since)s) AND at < to_timestamp(%(until)s)
GROUP BY start, fingerprint, agent

-- name: prune_failures
-- Removes a level's counts that began before a time.
DELETE FROM failure_counts WHERE level_seconds = %(level)s AND at < to_timestamp(%(until)s)

-- name: prune_groups
-- Deletes groups that were last seen before a time, unless they are muted.
DELETE FROM failure_groups
WHERE last_seen < to_timestamp(%(until)s) AND (muted_until IS NULL OR muted_until < now())

-- name: groups
-- The most frequent failures in a range (a NULL type or fingerprint matches all). Levels and spans as in metrics.sql.
-- A retried task that failed again in the same way counts as one task: its repeated failures are subtracted.
WITH retried AS MATERIALIZED (
    SELECT DISTINCT task_id FROM (
        SELECT task_id FROM task_events
        WHERE (task_id IS NULL OR event IN ('cancelled', 'reprioritised', 'retried'))
            AND event = 'retried' AND from_state = 'failed'
            AND at >= (SELECT to_timestamp(min(since)) FROM unnest(%(sinces)s::float8[]) AS l(since))
            AND at < (SELECT to_timestamp(max(until)) FROM unnest(%(untils)s::float8[]) AS l(until))
        ORDER BY at DESC LIMIT %(max_retried)s
    ) newest
), again AS MATERIALIZED (
    SELECT fingerprint, sum(times - 1)::bigint AS tasks FROM (
        SELECT e.detail->>'fingerprint' AS fingerprint, count(*) AS times
        FROM retried r CROSS JOIN LATERAL (
            SELECT detail, task_id FROM task_events f WHERE f.task_id = r.task_id AND f.event = 'failed'
                AND f.at >= (SELECT to_timestamp(min(since)) FROM unnest(%(sinces)s::float8[]) AS l(since))
                AND f.at < (SELECT to_timestamp(max(until)) FROM unnest(%(untils)s::float8[]) AS l(until))
        ) e
        GROUP BY e.task_id, fingerprint
    ) by_task GROUP BY fingerprint
)
SELECT g.fingerprint, g.type, g.class, g.message, s.attempts,
    greatest(s.tasks - coalesce(a.tasks, 0), least(s.tasks, 1)) AS tasks, s.agents, g.first_seen, g.last_seen,
    g.example_task_id, m.until, m.actor, m.reason
FROM (
    SELECT fingerprint, sum(attempts)::bigint AS attempts, sum(tasks)::bigint AS tasks,
        jsonb_object_agg(agent, attempts) AS agents
    FROM (
        SELECT c.fingerprint, c.agent, sum(c.attempts)::bigint AS attempts, sum(c.tasks)::bigint AS tasks
        FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
        CROSS JOIN LATERAL (SELECT * FROM failure_counts f WHERE f.level_seconds = l.level
            AND f.at >= to_timestamp(l.since) AND f.at < to_timestamp(l.until) OFFSET 0) c
        WHERE %(fingerprint)s::text IS NULL OR c.fingerprint = %(fingerprint)s
        GROUP BY c.fingerprint, c.agent
    ) by_agent GROUP BY fingerprint
) s
JOIN failure_groups g USING (fingerprint)
LEFT JOIN again a USING (fingerprint)
LEFT JOIN LATERAL (SELECT g.muted_until AS until, g.muted_by AS actor, g.mute_reason AS reason
    WHERE g.muted_until > now()) m ON true
WHERE (%(type)s::text IS NULL OR g.type = %(type)s) AND (%(include_muted)s OR m.until IS NULL)
ORDER BY s.attempts DESC, g.last_seen DESC, fingerprint LIMIT %(limit)s

-- name: trend
-- Failed attempts of some groups by time step.
SELECT c.fingerprint, floor(date_part('epoch', c.at) / %(step)s) * %(step)s AS start, sum(c.attempts)::bigint
FROM unnest(%(levels)s::int[], %(sinces)s::float8[], %(untils)s::float8[]) AS l(level, since, until)
CROSS JOIN LATERAL (SELECT * FROM failure_counts f WHERE f.level_seconds = l.level
    AND f.at >= to_timestamp(l.since) AND f.at < to_timestamp(l.until) OFFSET 0) c
WHERE c.fingerprint = ANY(%(fingerprints)s::text[])
GROUP BY c.fingerprint, start ORDER BY c.fingerprint, start

-- name: failed_now
-- How many tasks of some groups are failed, as far as they are counted.
SELECT wanted.fingerprint, found.count
FROM unnest(%(fingerprints)s::text[]) AS wanted(fingerprint)
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state = 'failed') FROM (
        SELECT state FROM tasks WHERE error IS NOT NULL AND error->>'fingerprint' = wanted.fingerprint
        LIMIT %(limit)s
    ) looked_at
) found

-- name: mute
-- Hides a group from lists for a while.
WITH muted AS (
    UPDATE failure_groups SET muted_until = now() + make_interval(secs => %(seconds)s), muted_by = %(actor)s,
        mute_reason = %(reason)s
    WHERE fingerprint = %(fingerprint)s RETURNING fingerprint, type, muted_until
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'failures_muted', %(actor)s, jsonb_build_object('fingerprint', fingerprint, 'type', type,
        'until', muted_until, 'reason', %(reason)s::text)
    FROM muted
)
SELECT muted_until FROM muted

-- name: unmute
-- Shows a hidden group again.
WITH shown AS (
    UPDATE failure_groups SET muted_until = NULL, muted_by = NULL, mute_reason = NULL
    WHERE fingerprint = %(fingerprint)s AND muted_until > now() RETURNING fingerprint, type
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'failures_unmuted', %(actor)s, jsonb_build_object('fingerprint', fingerprint, 'type', type) FROM shown
)
SELECT fingerprint FROM shown
