-- Webhooks, and the place up to which the audit log was read for them. Every change writes its audit row.

-- name: begin_feed
-- Begins to read the audit log now, unless it is read for some webhook already; others who would do so wait.
INSERT INTO webhook_feed AS f (singleton, transaction, since) VALUES (1, %(transaction)s, %(since)s)
ON CONFLICT (singleton) DO UPDATE SET
    transaction = CASE WHEN EXISTS (SELECT FROM webhooks WHERE disabled_at IS NULL)
        THEN f.transaction ELSE excluded.transaction END,
    since = CASE WHEN EXISTS (SELECT FROM webhooks WHERE disabled_at IS NULL) THEN f.since ELSE excluded.since END

-- name: lock_feed
-- The place up to which the audit log was read; others who would read it wait.
SELECT transaction, since FROM webhook_feed FOR UPDATE

-- name: move_feed
-- Notes up to where it was read.
UPDATE webhook_feed SET transaction = %(transaction)s, since = %(since)s

-- name: is_any_enabled
-- A row if somebody is to be told.
SELECT 1 FROM webhooks WHERE disabled_at IS NULL LIMIT 1

-- name: listeners
-- Who is told of what, and from which transaction on.
SELECT id::text, queues, types, outcomes, from_transaction FROM webhooks WHERE disabled_at IS NULL ORDER BY id

-- name: ended
-- The ends of tasks that the transactions from one id up to another wrote, in their order. Of rows, xmin has the last
-- 32 bits of the id. An error may be one of a later attempt by now, so what is said of it comes from the event.
SELECT e.transaction, e.task_id::text, e.event, e.at, e.attempt, coalesce(e.queue, t.queue), coalesce(e.type, t.type),
    t.title, t.workflow_id, t.created_by, t.created_at, e.wait_seconds, e.run_seconds, e.total_seconds,
    e.detail ->> 'class', e.detail ->> 'fingerprint'
FROM (
    SELECT *, newest - ((newest - xmin::text::bigint) & 4294967295) AS transaction
    FROM task_events, txid_snapshot_xmax(txid_current_snapshot()) AS newest
    WHERE at >= %(since)s AND event IN ('cancelled', 'completed', 'failed') AND task_id IS NOT NULL
) AS e
LEFT JOIN tasks t ON t.id = e.task_id
WHERE e.transaction >= %(low)s AND e.transaction < %(high)s
ORDER BY e.transaction, e.at, e.task_id
LIMIT %(limit)s

-- name: create_webhook
-- Adds a webhook; no row if the name is taken.
WITH made AS (
    INSERT INTO webhooks (id, name, url, queues, types, outcomes, has_output, secret, from_transaction, created_by)
    VALUES (%(id)s, %(name)s, %(url)s, %(queues)s::text[], %(types)s::text[], %(outcomes)s::text[], %(has_output)s,
        %(secret)s, %(transaction)s, %(actor)s)
    ON CONFLICT (name) DO NOTHING
    RETURNING *
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'webhook_created', %(actor)s::text, jsonb_build_object('name', name, 'url', url, 'queues', queues,
        'types', types, 'outcomes', outcomes, 'has_output', has_output)
    FROM made
)
SELECT id FROM made

-- name: webhooks
-- All webhooks by name, or one.
SELECT w.id::text, w.name, w.url, w.queues, w.types, w.outcomes, w.has_output,
    CASE WHEN w.former_until > now() THEN w.former_until END, w.disabled_at, w.disabled_by, w.disabled_because,
    w.failing_since, w.last_delivered_at, w.created_at, w.created_by,
    (SELECT count(*) FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.state = 'pending')
FROM webhooks w WHERE %(name)s::text IS NULL OR w.name = %(name)s
ORDER BY w.name

-- name: change_webhook
-- Changes what a webhook is told of, and where; no row if nothing changes.
WITH changed AS (
    UPDATE webhooks SET url = %(url)s, queues = %(queues)s::text[], types = %(types)s::text[],
        outcomes = %(outcomes)s::text[], has_output = %(has_output)s
    WHERE name = %(name)s AND (url, queues, types, outcomes, has_output)
        <> (%(url)s, %(queues)s::text[], %(types)s::text[], %(outcomes)s::text[], %(has_output)s)
    RETURNING *
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'webhook_changed', %(actor)s::text, jsonb_build_object('name', name, 'url', url, 'queues', queues,
        'types', types, 'outcomes', outcomes, 'has_output', has_output)
    FROM changed
)
SELECT id FROM changed

-- name: delete_deliveries
-- Removes a webhook's deliveries. Whoever notes what became of one locks it first, and then the webhook.
DELETE FROM webhook_deliveries d USING webhooks w WHERE w.name = %(name)s AND d.webhook_id = w.id

-- name: delete_webhook
-- Removes a webhook with its deliveries; no row if there is none.
WITH deleted AS (
    DELETE FROM webhooks WHERE name = %(name)s RETURNING name, url
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'webhook_deleted', %(actor)s::text, jsonb_build_object('name', name, 'url', url) FROM deleted
)
SELECT name FROM deleted

-- name: disable_webhook
-- Sends nothing more; no row if it was disabled.
WITH changed AS (
    UPDATE webhooks SET disabled_at = now(), disabled_by = %(actor)s, disabled_because = %(reason)s
    WHERE (name = %(name)s OR id = %(id)s) AND disabled_at IS NULL
    RETURNING name
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'webhook_disabled', %(actor)s::text, jsonb_build_object('name', name, 'reason', %(reason)s::text)
    FROM changed
)
SELECT name FROM changed

-- name: enable_webhook
-- Sends again, also what waits; no row if it was enabled. Ends of tasks meanwhile are not told.
WITH changed AS (
    UPDATE webhooks SET disabled_at = NULL, disabled_by = NULL, disabled_because = NULL, failing_since = NULL,
        from_transaction = %(transaction)s
    WHERE name = %(name)s AND disabled_at IS NOT NULL
    RETURNING id, name
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'webhook_enabled', %(actor)s::text, jsonb_build_object('name', name) FROM changed
)
SELECT name FROM changed

-- name: rotate_secret
-- Replaces a webhook's secret; the former one also signs for some time.
WITH changed AS (
    UPDATE webhooks SET former_secret = secret, former_until = now() + make_interval(secs => %(seconds)s),
        secret = %(secret)s
    WHERE name = %(name)s
    RETURNING name, former_until
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'webhook_secret_rotated', %(actor)s::text, jsonb_build_object('name', name, 'former_until', former_until)
    FROM changed
)
SELECT name FROM changed

-- name: disabled_by_worker
-- The webhooks that the worker has disabled.
SELECT name FROM webhooks WHERE disabled_by = %(actor)s ORDER BY name
