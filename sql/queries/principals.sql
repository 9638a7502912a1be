-- Principals: people, services and agents that are known by name. Every change writes its audit row.

-- name: lock_name
-- Keeps others from creating a principal of this name, in capitals or not, until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('taskyard principal ' || lower(%(name)s::text COLLATE "C"), 0))

-- name: create_principal
-- Adds a principal; no row if the name is taken, also if it differs in capitals alone.
WITH made AS (
    INSERT INTO principals (id, kind, name, role, queues, types, created_by)
    SELECT %(id)s, %(kind)s, %(name)s, %(role)s, %(queues)s::text[], %(types)s::text[], %(actor)s
    WHERE NOT EXISTS (
        SELECT FROM principals WHERE lower(name COLLATE "C") = lower(%(name)s::text COLLATE "C")
    )
    ON CONFLICT (name) DO NOTHING
    RETURNING *
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'principal_created', %(actor)s::text, jsonb_build_object('kind', kind, 'name', name, 'role', role,
        'queues', queues, 'types', types)
    FROM made
)
SELECT id, kind, name, role, queues, types, password_hash IS NOT NULL, disabled_at, created_at, created_by FROM made

-- name: all_principals
-- All principals by name.
SELECT id, kind, name, role, queues, types, password_hash IS NOT NULL, disabled_at, created_at, created_by
FROM principals ORDER BY lower(name), name

-- name: principal
-- One principal.
SELECT id, kind, name, role, queues, types, password_hash IS NOT NULL, disabled_at, created_at, created_by
FROM principals WHERE name = %(name)s

-- name: principals_in_any_case
-- The principals whose names differ from this one in capitals at most.
SELECT id, kind, name, role, queues, types, password_hash IS NOT NULL, disabled_at, created_at, created_by
FROM principals WHERE lower(name COLLATE "C") = lower(%(name)s::text COLLATE "C")

-- name: lock_admins
-- The principals who may manage access, locked until the end of the transaction: two admins can't end each other.
SELECT name FROM principals
WHERE role = 'admin' AND disabled_at IS NULL AND '*' = ANY (queues) AND '*' = ANY (types)
ORDER BY id FOR UPDATE

-- name: change_role
-- Gives a principal another role, or narrows it; no row if nothing changes.
WITH old AS (
    SELECT id, role, queues, types FROM principals WHERE name = %(name)s FOR UPDATE
), changed AS (
    UPDATE principals AS p SET role = %(role)s, queues = %(queues)s::text[], types = %(types)s::text[] FROM old
    WHERE p.id = old.id AND (p.role, p.queues, p.types) <> (%(role)s, %(queues)s::text[], %(types)s::text[])
    RETURNING p.id, p.kind, p.name, p.role, p.queues, p.types, old.role AS was
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'role_changed', %(actor)s::text, jsonb_build_object('kind', kind, 'name', name, 'from', was, 'to', role,
        'queues', queues, 'types', types)
    FROM changed
)
SELECT id FROM changed

-- name: disable
-- Lets a principal in no more, ends their sessions, and disables the hooks that they made, whose secrets they know; no
-- row if they were disabled. A maker may be named with the address of their browser.
WITH changed AS (
    UPDATE principals SET disabled_at = now() WHERE name = %(name)s AND disabled_at IS NULL RETURNING id, kind, name
), ended AS (
    DELETE FROM sessions USING changed WHERE sessions.principal_id = changed.id
), stopped AS (
    UPDATE hooks SET disabled_at = now() FROM changed
    WHERE hooks.disabled_at IS NULL
        AND ARRAY[hooks.created_by, regexp_replace(hooks.created_by, '@(localhost|[0-9A-Fa-f.:]+)$', '')]
            && ARRAY[changed.kind || ':' || changed.name, 'token:' || changed.name]
    RETURNING hooks.name, changed.name AS maker
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'principal_disabled', %(actor)s::text, jsonb_build_object('kind', kind, 'name', name) FROM changed
    UNION ALL
    SELECT 'hook_disabled', %(actor)s::text, jsonb_build_object('name', name, 'maker', maker) FROM stopped
)
SELECT id FROM changed

-- name: enable
-- Lets a principal in again; no row if they were not disabled.
WITH changed AS (
    UPDATE principals SET disabled_at = NULL WHERE name = %(name)s AND disabled_at IS NOT NULL
    RETURNING id, kind, name
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'principal_enabled', %(actor)s::text, jsonb_build_object('kind', kind, 'name', name) FROM changed
)
SELECT id FROM changed

-- name: set_password
-- Stores a person's password, and ends the sessions that began with another one; no row for anybody else.
WITH changed AS (
    UPDATE principals SET password_hash = %(password_hash)s WHERE name = %(name)s AND kind = 'person'
    RETURNING id, kind, name
), ended AS (
    DELETE FROM sessions USING changed WHERE sessions.principal_id = changed.id AND sessions.via = 'password'
), audit AS (
    INSERT INTO task_events (event, actor, detail)
    SELECT 'password_set', %(actor)s::text, jsonb_build_object('kind', kind, 'name', name) FROM changed
)
SELECT id FROM changed

-- name: renew_password
-- Stores the same password hashed with other parameters, unless it was changed meanwhile.
UPDATE principals SET password_hash = %(renewed)s WHERE name = %(name)s AND password_hash = %(stored)s

-- name: password
-- The stored password of a person who may sign in.
SELECT password_hash FROM principals WHERE name = %(name)s AND disabled_at IS NULL
