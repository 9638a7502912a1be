-- name: take_term
-- The next term of leadership.
UPDATE leadership SET epoch = epoch + 1, worker = %(worker)s, since = now() RETURNING epoch

-- name: term_in_force
-- The latest term, whoever leads.
SELECT epoch FROM leadership

-- name: term_tables
-- Fails if a term can't begin because what it reads first is locked.
SELECT FROM holds, agents, tasks, kept_reports LIMIT 0

-- name: try_lead
-- Takes the leader's lock if it is free.
SELECT pg_try_advisory_lock(hashtext('taskyard leader'))

-- name: database_number
-- This database's number on its server, and whether we may read the server's identity.
SELECT oid::bigint, has_function_privilege('pg_control_system()', 'EXECUTE')
FROM pg_database WHERE datname = current_database()

-- name: server_identity
-- The number that initdb gave the server; its copies and standbys have the same.
SELECT system_identifier::text FROM pg_control_system()

-- name: database_time
-- Proves that the connection, and so the lock, is alive; returns the database's time, which decides.
SELECT extract(epoch FROM clock_timestamp())::float8

-- name: open_slice
-- One slice of the unfinished tasks in id order, for the sweep, and whether each belongs into Redis.
SELECT id, state, queue, type, requires, priority, extract(epoch FROM ready_at)::float8,
    coalesce(head_start, 0), state IN ('pending', 'scheduled') OR (state = 'suspended' AND run_at IS NOT NULL)
FROM tasks WHERE finished_at IS NULL AND id > %(after)s::uuid ORDER BY id LIMIT %(limit)s

-- name: how_they_wait
-- These tasks, in the columns of the sweep.
SELECT id, state, queue, type, requires, priority, extract(epoch FROM ready_at)::float8,
    coalesce(head_start, 0), state IN ('pending', 'scheduled') OR (state = 'suspended' AND run_at IS NOT NULL)
FROM tasks WHERE id = ANY(%(ids)s::uuid[])

-- name: claimed_tasks
-- Every task that an agent has, in the columns of a claim (without those that only the agent needs), and since when.
SELECT id, attempt, type, '', timeout_seconds, NULL, priority, assigned_agent_id, max_attempts, refunded, refunds, 0,
    coalesce(retry_afters, 0), NULL, NULL, 0, CASE WHEN hedged > attempt THEN hedged END, hedge_agent_id,
    date_part('epoch', ready_at), CASE WHEN state = 'in_progress' THEN date_part('epoch', started_at) END
FROM tasks WHERE finished_at IS NULL AND state IN ('assigned', 'in_progress') ORDER BY id

-- name: not_held
-- The ones of these (task, attempt) pairs that are no longer the task's current claim, nor beside it.
SELECT h.id, h.attempt FROM unnest(%(ids)s::uuid[], %(attempts)s::int[]) AS h(id, attempt)
WHERE NOT coalesce((
    SELECT t.state IN ('assigned', 'in_progress') AND (t.attempt = h.attempt
        OR (t.hedged = h.attempt AND t.attempt < h.attempt AND t.hedge_agent_id IS NOT NULL))
    FROM tasks t WHERE t.id = h.id
), false)

-- name: register_agents
-- Agents that registered. New ones get an audit row, and so do those that deploy other versions of types.
WITH given AS (
    SELECT *
    FROM jsonb_to_recordset(%(agents)s::jsonb) AS a(id text, name text, boot_id text, kind text, host text,
        pid int, types jsonb, tags jsonb, max_concurrency int, state text, known_types jsonb,
        agent_class text, deployed jsonb, version int)
), came AS (
    INSERT INTO agents (id, name, boot_id, kind, host, pid, types, tags, max_concurrency, state, known_types,
        agent_class, version)
    SELECT id, name, boot_id, kind, host, pid, ARRAY(SELECT jsonb_array_elements_text(types)),
        ARRAY(SELECT jsonb_array_elements_text(tags)), max_concurrency, state, nullif(known_types, 'null'),
        coalesce(agent_class, ''), version
    FROM given
    ON CONFLICT (id) DO UPDATE SET state = EXCLUDED.state, left_at = NULL,
        known_types = coalesce(EXCLUDED.known_types, agents.known_types)
    RETURNING id, host, pid, xmax = 0 AS is_new
)
INSERT INTO task_events (event, actor, agent_id, detail)
SELECT 'agent_joined', 'dispatcher', id, jsonb_build_object('host', host, 'pid', pid) FROM came WHERE is_new
UNION ALL
SELECT 'types_deployed', 'dispatcher', id, jsonb_build_object('types', deployed) FROM given
WHERE deployed <> 'null'
RETURNING agent_id, event

-- name: end_agents
-- Agents that left or were lost, with an audit row each.
WITH ended AS (
    UPDATE agents a SET state = e.state, left_at = now()
    FROM unnest(%(ids)s::text[], %(states)s::text[]) AS e(id, state) WHERE a.id = e.id AND a.left_at IS NULL
    RETURNING a.id, a.state
)
INSERT INTO task_events (event, actor, agent_id) SELECT 'agent_' || state, 'dispatcher', id FROM ended
RETURNING agent_id, event = 'agent_lost'

-- name: forget_boots
-- Deletes the ended boots of names whose newest boots are these; a locked one is left for the next time.
DELETE FROM agents WHERE ctid = ANY(ARRAY(
    SELECT g.place
    FROM unnest(%(ids)s::text[]) AS w(id)
    JOIN agents newest ON newest.id = w.id
    CROSS JOIN LATERAL (
        SELECT g.ctid AS place FROM agents g
        WHERE g.name = newest.name AND g.id <> newest.id AND g.left_at IS NOT NULL
        FOR UPDATE SKIP LOCKED
    ) g
))

-- name: online_agents
-- The agents whose end is not recorded.
SELECT id FROM agents WHERE left_at IS NULL

-- name: known_types
-- The declared types of agents whose end is not recorded, in the order of their registration.
SELECT id, known_types FROM agents WHERE left_at IS NULL AND known_types IS NOT NULL ORDER BY registered_at

-- name: agent_versions
-- Which version of the protocol each boot speaks.
SELECT id, version FROM agents WHERE version IS NOT NULL

-- name: last_versions
-- The newest version of each type that ended agents declared: of the last 200, for a name keeps one ended boot.
SELECT DISTINCT ON (one ->> 'name') one ->> 'name', one ->> 'version'
FROM (
    SELECT registered_at, known_types FROM agents
    WHERE left_at IS NOT NULL AND known_types IS NOT NULL ORDER BY left_at DESC LIMIT 200
) ended, jsonb_array_elements(ended.known_types) AS one
ORDER BY one ->> 'name', registered_at DESC

-- name: create_partition
-- Creates the audit log's partition of one day.
CREATE TABLE IF NOT EXISTS {name} PARTITION OF task_events FOR VALUES FROM ('{start}') TO ('{end}')

-- name: lock_partitions
-- Locks the creation of partitions against other workers.
SELECT pg_advisory_xact_lock(hashtext('taskyard partitions'))

-- name: partitions
-- The names of the audit log's partitions.
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'task_events'::regclass

-- name: in_default
-- Whether rows of a day are in the default partition.
SELECT 1 FROM task_events_default
WHERE at >= %(start)s::date::timestamp AT TIME ZONE 'UTC' AND at < %(end)s::date::timestamp AT TIME ZONE 'UTC' LIMIT 1

-- name: agent_users
-- Agents that come into Redis with credentials of their own: which types they may get, and the hashes of their passwords.
SELECT p.name, p.types, array_agg(encode(t.secret_hash, 'hex') ORDER BY t.id)
FROM principals AS p JOIN tokens AS t ON t.principal_id = p.id
WHERE p.kind = 'agent' AND p.disabled_at IS NULL
    AND t.opens = 'redis' AND t.revoked_at IS NULL AND t.expires_at > now()
GROUP BY p.name, p.types
ORDER BY p.name
