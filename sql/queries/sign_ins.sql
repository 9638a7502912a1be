-- Sign-ins. Times are the database's; secrets come as the hexadecimal text of their SHA-256.

-- name: make_link
-- A single-use link that signs one browser in until it expires. Expired links are deleted.
WITH gone AS (
    DELETE FROM sign_in_links WHERE expires_at <= now()
)
INSERT INTO sign_in_links (key_hash, made_by, expires_at)
VALUES (decode(%(key)s, 'hex'), %(made_by)s, now() + make_interval(secs => %(seconds)s))
RETURNING expires_at

-- name: sign_in
-- A session in exchange for the key of a link, which is used up by that. No row: the link is unknown or used.
WITH used AS (
    DELETE FROM sign_in_links WHERE key_hash = decode(%(key)s, 'hex') AND expires_at > now() RETURNING made_by
), gone AS (
    DELETE FROM sessions
    WHERE expires_at <= now() - make_interval(secs => %(kept_seconds)s)
        OR seen_at <= now() - make_interval(secs => %(idle_seconds)s + %(kept_seconds)s)
), made AS (
    INSERT INTO sessions (id_hash, who, via, permissions, role, expires_at)
    SELECT decode(%(session)s, 'hex'), made_by, 'link', %(permissions)s::text[], %(role)s,
        now() + make_interval(secs => %(seconds)s)
    FROM used
    RETURNING who
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'signed_in', who, jsonb_build_object('via', 'link', 'from', %(address)s::text) FROM made
)
SELECT who FROM made

-- name: begin_session
-- A session of a principal, who is not disabled. To processes of an older release it gives no permission.
WITH gone AS (
    DELETE FROM sessions
    WHERE expires_at <= now() - make_interval(secs => %(kept_seconds)s)
        OR seen_at <= now() - make_interval(secs => %(idle_seconds)s + %(kept_seconds)s)
), made AS (
    INSERT INTO sessions (id_hash, principal_id, who, via, permissions, expires_at)
    SELECT decode(%(session)s, 'hex'), id, %(who)s, %(via)s, '{}', now() + make_interval(secs => %(seconds)s)
    FROM principals WHERE id = %(principal)s AND disabled_at IS NULL
    RETURNING who
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'signed_in', who, jsonb_build_object('via', %(via)s::text, 'from', %(address)s::text) FROM made
)
SELECT who FROM made

-- name: session
-- The identity of a session, with its principal's role of now; its use is recorded once a minute. A session without
-- principal and role was written by a process of an older release.
WITH found AS (
    SELECT s.id_hash, s.who, s.via, s.seen_at, p.kind, p.name, p.queues, p.types,
        coalesce(p.role, s.role, CASE WHEN 'code.submit' = ANY (s.permissions) THEN 'admin' END) AS role
    FROM sessions AS s LEFT JOIN principals AS p ON p.id = s.principal_id
    WHERE s.id_hash = decode(%(session)s, 'hex') AND s.expires_at > now()
        AND s.seen_at > now() - make_interval(secs => %(idle_seconds)s) AND p.disabled_at IS NULL
), seen AS (
    UPDATE sessions AS s SET seen_at = now() FROM found
    WHERE s.id_hash = found.id_hash AND found.seen_at < now() - interval '1 minute'
)
SELECT who, via, role, kind, name, queues, types FROM found

-- name: ended_session
-- Whose session it was that has ended by itself, if they may still come in; no row if somebody ended it.
SELECT s.who, p.kind, p.name
FROM sessions AS s LEFT JOIN principals AS p ON p.id = s.principal_id
WHERE s.id_hash = decode(%(session)s, 'hex') AND p.disabled_at IS NULL
    AND (s.expires_at <= now() OR s.seen_at <= now() - make_interval(secs => %(idle_seconds)s))

-- name: sessions
-- The current sessions, newest first. The beginning of a hash names one and tells nothing of its secret.
SELECT left(encode(s.id_hash, 'hex'), 16), s.who, s.via, coalesce(p.role, s.role), s.signed_in_at, s.seen_at,
    s.expires_at
FROM sessions AS s LEFT JOIN principals AS p ON p.id = s.principal_id
WHERE s.expires_at > now() AND s.seen_at > now() - make_interval(secs => %(idle_seconds)s)
    AND p.disabled_at IS NULL
ORDER BY s.signed_in_at DESC, 1

-- name: end_session
-- Ends the session of this id.
WITH ended AS (
    DELETE FROM sessions WHERE left(encode(id_hash, 'hex'), 16) = %(id)s RETURNING who, via
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'session_ended', %(actor)s::text, jsonb_build_object('session', %(id)s::text, 'who', who, 'via', via)
    FROM ended
)
SELECT who FROM ended

-- name: end_sessions_of
-- Ends the sessions of a principal, each with its event.
WITH ended AS (
    DELETE FROM sessions WHERE principal_id = %(principal)s RETURNING left(encode(id_hash, 'hex'), 16) AS id, who, via
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'session_ended', %(actor)s::text, jsonb_build_object('session', id, 'who', who, 'via', via) FROM ended
)
SELECT id FROM ended

-- name: sign_out
-- Ends a session.
WITH ended AS (
    DELETE FROM sessions WHERE id_hash = decode(%(session)s, 'hex') RETURNING who, via
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'signed_out', who, jsonb_build_object('via', via, 'from', %(address)s::text) FROM ended
)
SELECT who FROM ended

-- name: sign_out_everywhere
-- Ends a current session and all others of the same principal, or those that a link of the same user began.
WITH own AS (
    SELECT principal_id, who, via FROM sessions
    WHERE id_hash = decode(%(session)s, 'hex') AND expires_at > now()
        AND seen_at > now() - make_interval(secs => %(idle_seconds)s)
), ended AS (
    DELETE FROM sessions AS s USING own
    WHERE s.principal_id = own.principal_id
        OR (own.principal_id IS NULL AND s.principal_id IS NULL AND (s.who, s.via) = (own.who, own.via))
    RETURNING s.id_hash
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'signed_out_everywhere', own.who, jsonb_build_object('via', own.via, 'from', %(address)s::text,
        'sessions', (SELECT count(*) FROM ended))
    FROM own
)
SELECT count(*) FROM ended

-- name: note_refused
-- An attempt to sign in that was refused. The name is that of a principal, or empty.
INSERT INTO task_events (event, actor, detail)
VALUES ('sign_in_refused', %(actor)s, jsonb_build_object('via', %(via)s::text, 'from', %(address)s::text,
    'name', %(name)s::text, 'reason', %(reason)s::text, 'unnoted', %(unnoted)s::integer))

-- name: note_arrival
-- Somebody whom a proxy names has opened a page.
INSERT INTO task_events (event, actor, detail)
VALUES ('signed_in', %(who)s, jsonb_build_object('via', %(via)s::text, 'from', %(address)s::text))
