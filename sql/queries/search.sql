-- Searches tasks. Their ids are the only order that an index has, so a search reads one window of ids after another
-- until its page is full or its time is spent (taskyard.core.postgres.store.search). Words in angle brackets are filled in there.
-- NULL sets no condition; the values are known when a statement is planned, so unset conditions cost nothing.

-- name: narrowed
-- A condition: those parts of a filter that an index can answer. Windows are cut out of these tasks.
(%(low)s::uuid IS NULL OR id >= %(low)s::uuid) AND (%(high)s::uuid IS NULL OR id < %(high)s::uuid)
    AND (%(id)s::uuid IS NULL OR id = %(id)s::uuid)
    AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[]))
    AND (NOT %(is_open)s OR finished_at IS NULL)
    AND (NOT %(has_error)s OR num_nonnulls(error) = 1)
    AND (%(fingerprint)s::text IS NULL OR (error IS NOT NULL AND error->>'fingerprint' = %(fingerprint)s))
    AND (%(workflow_id)s::uuid IS NULL OR workflow_id = %(workflow_id)s::uuid)

-- name: fitting
-- A condition: the other parts of a filter. A path that fails on a task does not match it.
(%(states)s::text[] IS NULL OR state = ANY(%(states)s::text[]))
    AND (%(types)s::text[] IS NULL OR type = ANY(%(types)s::text[]))
    AND (%(queues)s::text[] IS NULL OR queue = ANY(%(queues)s::text[]))
    AND (%(priorities)s::int[] IS NULL OR priority = ANY(%(priorities)s::int[]))
    AND (%(agent)s::text IS NULL OR left(assigned_agent_id, -strpos(reverse(assigned_agent_id), ':')) = %(agent)s)
    AND (%(error_class)s::text IS NULL OR error->>'class' = %(error_class)s)
    AND (%(tag)s::text IS NULL OR %(tag)s = ANY(requires))
    AND (%(created_by)s::text IS NULL OR created_by = %(created_by)s)
    AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s::timestamptz)
    AND (%(ended_since)s::timestamptz IS NULL OR finished_at >= %(ended_since)s::timestamptz)
    AND (%(ended_until)s::timestamptz IS NULL OR finished_at < %(ended_until)s::timestamptz)
    AND (num_nonnulls(%(min_wait_seconds)s::float8, %(max_wait_seconds)s::float8, %(min_run_seconds)s::float8,
        %(max_run_seconds)s::float8) = 0 OR EXISTS (
        SELECT FROM task_events e
        WHERE e.task_id = tasks.id AND e.at >= tasks.created_at AND e.at <= coalesce(tasks.finished_at, now())
            AND e.event IN ('completed', 'failed', 'attempt_failed', 'cancelled')
            AND (%(min_wait_seconds)s::float8 IS NULL OR e.wait_seconds >= %(min_wait_seconds)s::float8)
            AND (%(max_wait_seconds)s::float8 IS NULL OR e.wait_seconds < %(max_wait_seconds)s::float8)
            AND (%(min_run_seconds)s::float8 IS NULL OR e.run_seconds >= %(min_run_seconds)s::float8)
            AND (%(max_run_seconds)s::float8 IS NULL OR e.run_seconds < %(max_run_seconds)s::float8)
    ))
    AND (%(pattern)s::text IS NULL OR title ILIKE %(pattern)s OR type ILIKE %(pattern)s
        OR (%(reads_errors)s AND error->>'message' ILIKE %(pattern)s) OR id::text ILIKE %(pattern)s)
    AND (%(input_path)s::text IS NULL
        OR jsonb_path_query_first(input::jsonb, %(input_path)s::jsonpath, '{}', true) NOT IN ('false', 'null'))
    AND (%(output_path)s::text IS NULL
        OR jsonb_path_query_first(output::jsonb, %(output_path)s::jsonpath, '{}', true) NOT IN ('false', 'null'))
    AND (NOT %(can_start)s OR NOT EXISTS (SELECT FROM unmet_parents u WHERE u.child_id = tasks.id))

-- name: key
-- A value: the sort key of tasks before their ids; tasks without one are left out.
CASE %(sort)s
    WHEN 'priority' THEN priority::float8
    WHEN 'waiting' THEN CASE WHEN state IN ('blocked', 'scheduled', 'pending') THEN -date_part('epoch', ready_at) END
    WHEN 'longest' THEN CASE WHEN state = 'in_progress' THEN %(as_of)s::float8 - date_part('epoch', started_at)
        WHEN finished_at IS NOT NULL THEN date_part('epoch', finished_at - started_at) END
    WHEN 'finished' THEN date_part('epoch', finished_at)
    ELSE 0::float8
END

-- name: edge
-- The end of the next window of this many tasks: it begins with this id, or ends before it if the search goes up.
SELECT id FROM tasks WHERE <narrowed> ORDER BY id <direction> OFFSET %(size)s LIMIT 1

-- name: page
-- The first tasks of a window, behind a position, without inputs, outputs, checkpoints and tracebacks.
SELECT <task: NULL AS input, NULL AS output, NULL AS checkpoint, suspension - 'schema' - 'deadlines' AS suspension, error - 'traceback' AS error>, <key> AS key
FROM tasks
WHERE <narrowed> AND <fitting> AND <key> IS NOT NULL
    AND (%(place_key)s::float8 IS NULL OR (<key>, id) <behind> (%(place_key)s::float8, %(place_id)s::uuid))
ORDER BY key <direction>, id <direction> LIMIT %(limit)s

-- name: ids
-- The same, only the ids, oldest first.
SELECT id FROM tasks WHERE <narrowed> AND <fitting> ORDER BY id LIMIT %(limit)s

-- name: count
-- How many tasks of a window match, as far as they are counted.
SELECT count(*) FROM (SELECT FROM tasks WHERE <narrowed> AND <fitting> LIMIT %(limit)s) AS counted

-- name: count_states
-- How many tasks of a window match, by state, as far as they are counted.
SELECT state, count(*)
FROM (SELECT state FROM tasks WHERE <narrowed> AND <fitting> LIMIT %(limit)s) AS counted GROUP BY state

-- name: named
-- The tasks with an idempotency key, or whose id ends in these 12 digits: each by its index.
SELECT id FROM tasks WHERE %(key)s::text IS NOT NULL AND idempotency_key = %(key)s::text
UNION SELECT id FROM tasks WHERE %(short)s::text IS NOT NULL AND right(id::text, 12) = %(short)s::text
LIMIT %(limit)s

-- name: begun_by
-- Whether any id is in a range.
SELECT EXISTS (SELECT FROM tasks WHERE id >= %(low)s::uuid AND id <= %(high)s::uuid)

-- name: in_range
-- The newest ids of a range.
SELECT id FROM tasks WHERE id >= %(low)s::uuid AND id < %(high)s::uuid ORDER BY id DESC LIMIT %(limit)s

-- name: oldest
-- The first task that there is.
SELECT id FROM tasks ORDER BY id LIMIT 1

-- name: check_path
-- Fails in PostgreSQL if a path is invalid.
SELECT jsonb_path_query_first('null', %(path)s::jsonpath, '{}', true)

-- name: limit_time
-- Limits the time of every statement of this transaction; returns the limit before.
SELECT current_setting('statement_timeout'), set_config('statement_timeout', %(limit)s, true)

-- name: facets
-- The values that tasks can be searched by, as kinds and names: what was counted lately, and the newest tasks.
WITH newest AS MATERIALIZED (
    SELECT type, queue, created_by FROM tasks ORDER BY id DESC LIMIT %(newest)s
), counted AS MATERIALIZED (
    SELECT DISTINCT type, queue FROM metric_counts WHERE level_seconds >= 3600
)
SELECT 'type', type FROM counted UNION SELECT 'type', type FROM newest
UNION SELECT 'queue', queue FROM counted UNION SELECT 'queue', queue FROM newest
UNION SELECT 'creator', created_by FROM newest WHERE created_by <> ''
UNION SELECT 'agent', name FROM agents
UNION SELECT 'tag', unnest(tags) FROM agents
ORDER BY 1, 2
