-- The messages of webhooks: an outbox, filled from the audit log.

-- name: add
-- Adds messages, to be sent at once and given up after some time.
INSERT INTO webhook_deliveries (id, webhook_id, event, task_id, body, give_up_at)
SELECT d.id, d.webhook_id, d.event, d.task_id, d.body, now() + make_interval(secs => %(give_up_seconds)s)
FROM unnest(%(ids)s::uuid[], %(webhooks)s::uuid[], %(events)s::text[], %(tasks)s::uuid[], %(bodies)s::jsonb[])
    AS d(id, webhook_id, event, task_id, body)

-- name: note_ping
-- Notes that somebody had a test message sent.
INSERT INTO task_events (event, actor, detail)
VALUES ('webhook_pinged', %(actor)s, jsonb_build_object('name', %(name)s::text, 'delivery', %(id)s::text))

-- name: due
-- The enabled webhooks with messages to send now: how many at most to send at once, and whether the last try failed.
SELECT w.id::text, w.failing_since IS NOT NULL, d.count
FROM webhooks w CROSS JOIN LATERAL (
    SELECT count(*) AS count FROM (
        SELECT 1 FROM webhook_deliveries d
        WHERE d.webhook_id = w.id AND d.state = 'pending' AND d.due_at <= now() LIMIT %(limit)s
    ) AS first_ones
) AS d
WHERE w.disabled_at IS NULL AND d.count > 0

-- name: claim
-- Takes the message of an enabled webhook that has waited longest. It is due again after the lease, so that one whose
-- sender dies is sent once more; `attempts` tells a late answer from that of a newer try.
WITH due AS (
    SELECT d.id FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id
    WHERE d.webhook_id = %(webhook)s AND d.state = 'pending' AND d.due_at <= now() AND w.disabled_at IS NULL
    ORDER BY d.due_at LIMIT 1 FOR NO KEY UPDATE OF d SKIP LOCKED
), claimed AS (
    UPDATE webhook_deliveries d SET attempts = d.attempts + 1, tried_at = now(),
        due_at = now() + make_interval(secs => %(lease_seconds)s)
    FROM due WHERE d.id = due.id
    RETURNING d.id, d.webhook_id, d.attempts, d.event, d.task_id, d.body
)
SELECT c.id::text, w.id::text, w.name, w.url, w.secret, CASE WHEN w.former_until > now() THEN w.former_secret END,
    c.attempts, c.body, CASE WHEN w.has_output AND t.state = 'completed' THEN t.output::text END
FROM claimed c JOIN webhooks w ON w.id = c.webhook_id
LEFT JOIN tasks t ON t.id = c.task_id AND c.event = 'task.completed' AND w.has_output

-- name: note_delivered
-- Notes that a message arrived, unless a newer try has begun; of the webhook at most once a second, as many arrive.
WITH done AS (
    UPDATE webhook_deliveries SET state = 'delivered', status = %(status)s, answer = %(answer)s, tried_at = now()
    WHERE id = %(id)s AND attempts = %(attempt)s AND state = 'pending'
    RETURNING webhook_id
), well AS (
    UPDATE webhooks w SET failing_since = NULL, last_delivered_at = now() FROM done
    WHERE w.id = done.webhook_id AND (w.failing_since IS NOT NULL OR w.last_delivered_at IS NULL
        OR w.last_delivered_at < now() - interval '1 second')
)
SELECT 1 FROM done

-- name: note_refused
-- Notes that a message did not arrive, unless a newer try has begun: it is sent again later, or is given up. Returns
-- whether it was given up, and whether the webhook had nothing but failures for too long.
WITH done AS (
    UPDATE webhook_deliveries SET status = %(status)s, answer = %(answer)s, tried_at = now(),
        due_at = now() + make_interval(secs => %(delay_seconds)s),
        state = CASE WHEN %(is_final)s OR now() + make_interval(secs => %(delay_seconds)s) > give_up_at
            THEN 'failed' ELSE 'pending' END
    WHERE id = %(id)s AND attempts = %(attempt)s AND state = 'pending'
    RETURNING webhook_id, state
), unwell AS (
    UPDATE webhooks w SET failing_since = coalesce(w.failing_since, now()) FROM done WHERE w.id = done.webhook_id
    RETURNING w.failing_since
)
SELECT done.state = 'failed',
    done.state = 'failed' AND unwell.failing_since < now() - make_interval(days => %(failing_days)s)
FROM done, unwell

-- name: again
-- Sends a message once more that arrived or was given up; no row if there is none, or it waits to be sent anyhow.
WITH changed AS (
    UPDATE webhook_deliveries d SET state = 'pending', due_at = now(),
        give_up_at = now() + make_interval(secs => %(give_up_seconds)s)
    FROM webhooks w WHERE d.id = %(id)s AND w.id = d.webhook_id AND w.name = %(name)s AND d.state <> 'pending'
    RETURNING d.id, w.name
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'webhook_redelivered', %(actor)s::text, jsonb_build_object('name', name, 'delivery', id) FROM changed
)
SELECT id FROM changed

-- name: deliveries
-- The newest messages of a webhook, or of all of them, in some state or all; before one of them.
SELECT d.id::text, w.name, d.event, d.task_id::text, d.state, d.attempts, d.created_at, d.due_at, d.tried_at, d.status,
    d.answer
FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id
WHERE (%(name)s::text IS NULL OR w.name = %(name)s) AND (%(state)s::text IS NULL OR d.state = %(state)s)
    AND (%(before)s::uuid IS NULL OR d.id < %(before)s::uuid)
ORDER BY d.id DESC LIMIT %(limit)s

-- name: prune
-- Removes messages that are older than some days, a portion at a time.
WITH old AS (
    SELECT id FROM webhook_deliveries WHERE id < %(bound)s::uuid ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM webhook_deliveries d USING old WHERE d.id = old.id RETURNING 1
