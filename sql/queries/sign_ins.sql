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
    DELETE FROM sessions WHERE expires_at <= now() OR seen_at <= now() - make_interval(secs => %(idle_seconds)s)
), made AS (
    INSERT INTO sessions (id_hash, who, via, permissions, expires_at)
    SELECT decode(%(session)s, 'hex'), made_by, 'link', %(permissions)s::text[],
        now() + make_interval(secs => %(seconds)s)
    FROM used
    RETURNING who
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'signed_in', who, jsonb_build_object('via', 'link', 'from', %(address)s::text) FROM made
)
SELECT who FROM made

-- name: session
-- The identity of a session; its use is recorded once a minute.
WITH found AS (
    SELECT id_hash, who, via, permissions, seen_at FROM sessions
    WHERE id_hash = decode(%(session)s, 'hex') AND expires_at > now()
        AND seen_at > now() - make_interval(secs => %(idle_seconds)s)
), seen AS (
    UPDATE sessions AS s SET seen_at = now() FROM found
    WHERE s.id_hash = found.id_hash AND found.seen_at < now() - interval '1 minute'
)
SELECT who, via, permissions FROM found

-- name: sign_out
-- Ends a session.
WITH ended AS (
    DELETE FROM sessions WHERE id_hash = decode(%(session)s, 'hex') RETURNING who
), audit AS (
    INSERT INTO task_events (event, actor) SELECT 'signed_out', who FROM ended
)
SELECT who FROM ended
