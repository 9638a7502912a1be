-- Alerts and their silences. One open row for each condition: its unique index decides between workers.

-- name: open_alerts
-- All unresolved alerts.
SELECT id, rule, subject, severity, state, message, value, threshold, fired_at, acknowledged_at, acknowledged_by,
    resolved_at, message_id, message_parameters
FROM alerts WHERE resolved_at IS NULL ORDER BY fired_at

-- name: list_alerts
-- The newest alerts that match (a NULL filter matches all).
SELECT id, rule, subject, severity, state, message, value, threshold, fired_at, acknowledged_at, acknowledged_by,
    resolved_at, message_id, message_parameters
FROM alerts
WHERE (%(state)s::text IS NULL OR state = %(state)s) AND (%(rule)s::text IS NULL OR rule = %(rule)s)
    AND (NOT %(is_open)s OR resolved_at IS NULL)
ORDER BY fired_at DESC, id LIMIT %(limit)s

-- name: fire
-- Adds alerts, except those that are open already.
INSERT INTO alerts (id, rule, subject, severity, state, message, value, threshold, fired_at, message_id,
    message_parameters)
SELECT id, rule, subject, severity, 'firing', message, value, threshold, to_timestamp(fired_at), message_id,
    nullif(message_parameters, 'null')
FROM jsonb_to_recordset(%(alerts)s::jsonb) AS a(id uuid, rule text, subject text, severity text, message text,
    value float8, threshold float8, fired_at float8, message_id text, message_parameters jsonb)
ON CONFLICT DO NOTHING RETURNING id

-- name: update_alerts
-- Updates open alerts.
UPDATE alerts a SET message = n.message, value = n.value, message_id = n.message_id,
    message_parameters = n.message_parameters::jsonb
FROM unnest(%(ids)s::uuid[], %(messages)s::text[], %(values)s::float8[], %(message_ids)s::text[],
    %(message_parameters)s::text[]) AS n(id, message, value, message_id, message_parameters)
WHERE a.id = n.id AND a.resolved_at IS NULL

-- name: resolve
-- Resolves alerts.
UPDATE alerts a SET state = 'resolved', resolved_at = to_timestamp(e.at)
FROM unnest(%(ids)s::uuid[], %(times)s::float8[]) AS e(id, at) WHERE a.id = e.id AND a.resolved_at IS NULL

-- name: acknowledge
-- firing → acknowledged, by an operator; one or many.
WITH changed AS (
    UPDATE alerts SET state = 'acknowledged', acknowledged_at = now(), acknowledged_by = %(actor)s
    WHERE id = ANY(%(ids)s::uuid[]) AND state = 'firing' RETURNING id, rule, subject
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'alert_acknowledged', %(actor)s,
        jsonb_build_object('alert', id, 'rule', rule, 'subject', subject, 'reason', %(reason)s::text)
    FROM changed
)
SELECT id FROM changed

-- name: alert
-- One alert.
SELECT id, rule, subject, severity, state, message, value, threshold, fired_at, acknowledged_at, acknowledged_by,
    resolved_at, message_id, message_parameters
FROM alerts WHERE id = %(id)s::uuid

-- name: silence
-- Suppresses notifications of these alerts for a while.
WITH new AS (
    INSERT INTO alert_silences (id, rule, subject, until, actor, reason)
    VALUES (%(id)s::uuid, %(rule)s, %(subject)s, now() + make_interval(secs => %(seconds)s), %(actor)s, %(reason)s)
    RETURNING *
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'alerts_silenced', actor, jsonb_build_object('silence', id, 'rule', rule, 'subject', subject,
        'until', until, 'reason', reason)
    FROM new
)
SELECT id, rule, subject, until, actor, reason, since FROM new

-- name: end_silence
-- Ends a silence before its time.
WITH ended AS (
    UPDATE alert_silences SET until = now() WHERE id = %(id)s::uuid AND until > now() RETURNING id, rule, subject
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'alerts_unsilenced', %(actor)s, jsonb_build_object('silence', id, 'rule', rule, 'subject', subject)
    FROM ended
)
SELECT id FROM ended

-- name: silences
-- The silences in force.
SELECT id, rule, subject, until, actor, reason, since FROM alert_silences WHERE until > now() ORDER BY until

-- name: prune_alerts
-- Deletes alerts that were resolved, and silences that ended, longer ago than the limit.
WITH silences AS (
    DELETE FROM alert_silences WHERE until < now() - make_interval(days => %(days)s)
)
DELETE FROM alerts WHERE resolved_at < now() - make_interval(days => %(days)s)
