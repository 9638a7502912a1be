-- Writes a realistic synthetic history, for tests and benchmarks.

-- name: any_unseeded
-- Whether there is any task that was not seeded.
SELECT EXISTS (SELECT FROM tasks WHERE created_by <> 'seed')

-- name: set_seed
-- Makes the random numbers of this transaction repeatable.
SELECT setseed(%(seed)s)

-- name: step_back
-- Makes the roll-ups restart at this time (epoch seconds) at the latest.
UPDATE metric_progress
SET rolled_to = least(rolled_to, to_timestamp(floor(%(since)s / level_seconds) * level_seconds))

-- name: seed
-- Tasks that were submitted within a span and have ended, with their events, in order of submission. Run times are
-- lognormal by type, waiting times exponential; about 2 % fail after three attempts, 1 % succeed after a second one.
WITH drawn AS MATERIALIZED (
    SELECT %(since)s + %(seconds)s * random() AS created, random() AS luck, floor(random() * 10)::int AS pick,
        floor(random() * 4)::int AS agent, -ln(1 - random()) * 0.04 AS wait, sqrt(-2 * ln(1 - random())) AS radius,
        2 * pi() * random() AS angle, md5(random()::text) AS noise
    FROM generate_series(1, %(count)s)
), shaped AS MATERIALIZED (
    SELECT (lpad(to_hex((d.created * 1000)::bigint), 12, '0') || '7' || substr(d.noise, 1, 3) || '8'
            || substr(d.noise, 4, 15))::uuid AS id,
        k.type, k.queue, 'seed-' || (d.agent + 1) || ':' || substr(d.noise, 20, 12) AS agent_id,
        d.created, d.wait, least(250, k.median * exp(k.spread * d.radius * cos(d.angle))) AS run,
        CASE WHEN d.luck < 0.02 THEN 3 WHEN d.luck < 0.03 THEN 2 WHEN d.luck < 0.035 THEN 0 ELSE 1 END AS attempts,
        CASE WHEN d.luck < 0.02 THEN 'failed' WHEN d.luck BETWEEN 0.03 AND 0.035 THEN 'cancelled'
            ELSE 'completed' END AS state,
        CASE WHEN d.luck < 0.006 THEN 'timeout' WHEN d.luck < 0.01 THEN 'crashed' ELSE 'transient' END AS class
    FROM drawn d
    JOIN (VALUES (0, 'code.run', 'default', 0.8, 0.9), (1, 'code.run', 'default', 0.8, 0.9),
        (2, 'code.metrics', 'default', 0.3, 0.5), (3, 'analysis.profile', 'reports', 1.5, 0.7),
        (4, 'analysis.profile', 'reports', 1.5, 0.7), (5, 'testing.pytest', 'ci', 6.0, 0.8),
        (6, 'testing.pytest', 'ci', 6.0, 0.8), (7, 'testing.pytest', 'ci', 6.0, 0.8),
        (8, 'diagnostic.echo', 'default', 0.002, 0.4), (9, 'diagnostic.sleep', 'default', 2.0, 0.2))
        AS k(pick, type, queue, median, spread) USING (pick)
), lived AS MATERIALIZED (
    SELECT *, to_timestamp(created) AS created_at,
        to_timestamp(created + wait + greatest(0, attempts - 1) * (run + 1)) AS started_at,
        to_timestamp(created + wait + CASE WHEN attempts = 0 THEN 0 ELSE attempts * run + (attempts - 1) END) AS ended_at,
        jsonb_build_object('class', class, 'message', 'seeded ' || class || ' of ' || type, 'fingerprint',
            md5(type || class)) AS error
    FROM shaped
), new AS (
    INSERT INTO tasks (id, queue, type, state, priority, input, output, error, attempt, max_attempts, timeout_seconds,
        ready_at, created_by, assigned_agent_id, created_at, assigned_at, started_at, finished_at)
    SELECT id, queue, type, state, 1, '{"seeded": true}',
        CASE WHEN state = 'completed' THEN '{"value": "seeded"}'::json END,
        CASE WHEN state = 'failed' THEN error END, attempts, 3, 300, created_at, 'seed',
        CASE WHEN attempts > 0 THEN agent_id END, created_at, CASE WHEN attempts > 0 THEN started_at END,
        CASE WHEN attempts > 0 THEN started_at END, ended_at
    FROM lived ORDER BY id
    ON CONFLICT DO NOTHING RETURNING id
)
INSERT INTO task_events (task_id, at, event, from_state, to_state, attempt, actor, agent_id, queue, type, detail,
    wait_seconds, run_seconds, total_seconds, cpu_seconds, peak_memory_bytes)
SELECT l.id, e.at, e.event, e.from_state, e.to_state, e.attempt, e.actor, e.agent_id,
    CASE WHEN e.event <> 'assigned' THEN l.queue END, CASE WHEN e.event <> 'assigned' THEN l.type END,
    CASE WHEN e.event IN ('failed', 'attempt_failed') THEN l.error END,
    CASE WHEN e.ran THEN l.wait END, CASE WHEN e.ran THEN l.run END,
    CASE WHEN e.event IN ('completed', 'failed') THEN date_part('epoch', l.ended_at - l.created_at) END,
    CASE WHEN e.ran THEN l.run * 0.6 END, CASE WHEN e.ran THEN 50000000 + (l.run * 1000000)::bigint END
FROM lived l JOIN new USING (id) CROSS JOIN LATERAL (
    SELECT l.created_at AS at, 'submitted' AS event, NULL AS from_state, 'pending' AS to_state, 0 AS attempt,
        'seed' AS actor, NULL AS agent_id, false AS ran
    UNION ALL
    SELECT l.created_at + make_interval(secs => (n - 1) * (l.run + 1) + l.wait), 'assigned', 'pending', 'assigned', n,
        'dispatcher', l.agent_id, false FROM generate_series(1, l.attempts) n
    UNION ALL
    SELECT l.created_at + make_interval(secs => (n - 1) * (l.run + 1) + l.wait + l.run), 'attempt_failed', 'assigned',
        'scheduled', n, 'dispatcher', l.agent_id, true FROM generate_series(1, l.attempts - 1) n
    UNION ALL
    SELECT l.ended_at, l.state, CASE WHEN l.attempts > 0 THEN 'assigned' ELSE 'pending' END, l.state, l.attempts,
        CASE WHEN l.attempts > 0 THEN 'dispatcher' ELSE 'seed' END, CASE WHEN l.attempts > 0 THEN l.agent_id END,
        l.attempts > 0
) e
ORDER BY e.at
