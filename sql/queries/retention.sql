-- Deletes data by age. Ids begin with the time of submission, so that a range of ids bounds the search:
-- a task submitted after the limit can't have ended before it.

-- name: old_tasks
-- How many tasks ended longer ago than the limit.
SELECT count(*) FROM tasks
WHERE id < %(bound)s::uuid AND finished_at < now() - make_interval(days => %(days)s)

-- name: prune_tasks
-- Deletes some of them, in id order, with what belongs to them; returns how many, and the last id that was read. What
-- unfinished tasks wait for, or belong together with, stays: they may need its output.
WITH old AS MATERIALIZED (
    SELECT id FROM tasks t
    WHERE id > %(after)s::uuid AND id < %(bound)s::uuid AND finished_at < now() - make_interval(days => %(days)s)
        AND NOT EXISTS (SELECT FROM task_dependencies d WHERE d.parent_id = t.id AND d.is_open)
        AND (t.workflow_id IS NULL OR NOT EXISTS (
            SELECT FROM tasks o WHERE o.workflow_id = t.workflow_id AND o.workflow_id IS NOT NULL AND o.finished_at IS NULL
        ))
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM tasks t USING old o WHERE t.id = o.id
), edges AS (
    DELETE FROM task_dependencies WHERE child_id = ANY(ARRAY(SELECT id FROM old))
), inputs AS (
    DELETE FROM task_inputs WHERE task_id = ANY(ARRAY(SELECT id FROM old))
), signals AS (
    DELETE FROM task_signals WHERE task_id = ANY(ARRAY(SELECT id FROM old))
), asked AS (
    DELETE FROM questions WHERE task_id = ANY(ARRAY(SELECT id FROM old))
)
SELECT count(*), (SELECT id FROM old ORDER BY id DESC LIMIT 1) FROM old

-- name: old_default_events
-- How many events of the default partition are older than the limit.
SELECT count(*) FROM task_events_default WHERE at < now() - make_interval(days => %(days)s)

-- name: prune_default_events
-- Deletes some of them; returns how many.
WITH gone AS (
    DELETE FROM task_events_default WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM task_events_default WHERE at < now() - make_interval(days => %(days)s) LIMIT %(limit)s
    )) RETURNING 1
)
SELECT count(*) FROM gone

-- name: lock_timeout
-- Limits how long the next statement of this transaction may wait for a lock: the tick waits behind it.
SELECT set_config('lock_timeout', %(milliseconds)s, true)

-- name: drop_partition
-- Drops the audit log's partition of one day.
DROP TABLE {name}

-- name: old_agents
-- How many boots of agents ended longer ago than the limit.
SELECT count(*) FROM agents WHERE left_at < now() - make_interval(days => %(days)s)

-- name: prune_agents
-- Deletes them; returns how many.
WITH gone AS (
    DELETE FROM agents WHERE left_at < now() - make_interval(days => %(days)s) RETURNING 1
)
SELECT count(*) FROM gone

-- name: note_pruning
-- The audit row of a pruning that deleted something.
INSERT INTO task_events (event, actor, detail) VALUES ('pruned', %(actor)s, %(detail)s::jsonb)
