-- Tokens of principals. Secrets come as the hexadecimal text of their SHA-256; every change writes its audit row.

-- name: make_token
-- A token of a principal that is not disabled.
WITH made AS (
    INSERT INTO tokens (id, principal_id, secret_hash, note, opens, created_by, expires_at)
    SELECT %(id)s, id, decode(%(secret)s, 'hex'), %(note)s, %(opens)s, %(actor)s, now() + make_interval(secs => %(seconds)s)
    FROM principals WHERE id = %(principal)s AND disabled_at IS NULL
    RETURNING *
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'token_made', %(actor)s::text, jsonb_build_object('token', t.id, 'kind', p.kind, 'name', p.name,
        'note', t.note, 'opens', t.opens, 'until', t.expires_at)
    FROM made AS t JOIN principals AS p ON p.id = t.principal_id
)
SELECT t.id, p.kind, p.name, t.note, t.created_at, t.created_by, t.expires_at, t.last_used_at, t.revoked_at, t.opens
FROM made AS t JOIN principals AS p ON p.id = t.principal_id

-- name: tokens
-- All tokens, or those of one principal, newest first.
SELECT t.id, p.kind, p.name, t.note, t.created_at, t.created_by, t.expires_at, t.last_used_at, t.revoked_at, t.opens
FROM tokens AS t JOIN principals AS p ON p.id = t.principal_id
WHERE %(name)s::text IS NULL OR p.name = %(name)s
ORDER BY t.created_at DESC, t.id

-- name: revoke
-- Revokes a token; no row if there is none, or if it was revoked.
WITH revoked AS (
    UPDATE tokens AS t SET revoked_at = now() FROM principals AS p
    WHERE t.id = %(id)s AND t.revoked_at IS NULL AND p.id = t.principal_id
    RETURNING t.id, p.kind, p.name
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'token_revoked', %(actor)s::text, jsonb_build_object('token', id, 'kind', kind, 'name', name) FROM revoked
)
SELECT id FROM revoked

-- name: find
-- Whose token it is. Its use is recorded once a minute, by whoever need not wait for that.
WITH found AS (
    SELECT t.id, t.last_used_at, p.kind, p.name, p.role, p.queues, p.types
    FROM tokens AS t JOIN principals AS p ON p.id = t.principal_id
    WHERE t.id = %(id)s AND t.secret_hash = decode(%(secret)s, 'hex') AND p.kind = %(kind)s AND t.opens = 'api'
        AND t.expires_at > now() AND t.revoked_at IS NULL AND p.disabled_at IS NULL
), due AS (
    SELECT t.id FROM tokens AS t JOIN found ON found.id = t.id
    WHERE coalesce(t.last_used_at, '-infinity') < now() - interval '1 minute'
    FOR NO KEY UPDATE OF t SKIP LOCKED
), used AS (
    UPDATE tokens AS t SET last_used_at = now() FROM due WHERE t.id = due.id
)
SELECT kind, name, role, queues, types FROM found
