"""Creates the role without superuser rights that Taskyard uses in the embedded PostgreSQL.

It owns its database and everything in it, since the worker creates partitions and migrations run as the owner, and
it may read the server's statistics. It can't run programs, access files of the server or become another role.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg2
from psycopg2.extensions import quote_ident

from taskyard.core.errors import Unavailable
from taskyard.core.i18n import msg
from taskyard.core.postgres.connections import connect_driver

# Everything in the schema that another role owns: objects from before this role existed.
_HAND_OVER = """
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT format('ALTER %s %s OWNER TO {role}',
            CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
                ELSE 'TABLE' END,
            c.oid::regclass) AS command
        FROM pg_class AS c
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
            AND relowner <> '{role}'::regrole
            AND NOT EXISTS (
                SELECT FROM pg_depend
                WHERE objid = c.oid AND classid = 'pg_class'::regclass AND deptype IN ('a', 'i', 'e')
                    AND refclassid = 'pg_class'::regclass AND relkind = 'S')
        UNION ALL
        SELECT format('ALTER ROUTINE %s OWNER TO {role}', oid::regprocedure) FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proowner <> '{role}'::regrole
        UNION ALL
        SELECT format('ALTER TYPE %s OWNER TO {role}', oid::regtype) FROM pg_type
        WHERE typnamespace = 'public'::regnamespace AND typowner <> '{role}'::regrole AND typtype IN ('e', 'd')
        UNION ALL
        SELECT format('ALTER STATISTICS %s OWNER TO {role}', stxname::text) FROM pg_statistic_ext
        WHERE stxnamespace = 'public'::regnamespace AND stxowner <> '{role}'::regrole
    LOOP
        EXECUTE found.command;
    END LOOP;
END $$
"""
_ATTRIBUTES = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"


def prepare_role(url: str, role: str, database: str) -> None:
    """Ensures that the role and its database exist and that the role owns everything in it.

    `url` is a superuser's, of another database of the server. Raises Unavailable.
    """
    try:
        with closing(connect_driver(url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                _prepare(cursor, role, database)
        with closing(connect_driver(url, dbname=database)) as connection:
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER SCHEMA public OWNER TO {role}")
                cursor.execute(_HAND_OVER.replace("{role}", role))
            connection.commit()
    except psycopg2.Error as error:
        reason = " ".join(str(error).split())
        raise Unavailable(
            msg("the role {role} of the embedded PostgreSQL can't be prepared: {reason}", role=role, reason=reason)
        ) from None


def _prepare(cursor: Any, role: str, database: str) -> None:
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", (role,))
    found = cursor.fetchone()
    if found is None:
        cursor.execute(f"CREATE ROLE {role} {_ATTRIBUTES}")
    elif found[0]:
        cursor.execute(f"ALTER ROLE {role} {_ATTRIBUTES}")
    cursor.execute(f"GRANT pg_monitor TO {role}")
    cursor.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", (database,))
    owner = cursor.fetchone()
    name = quote_ident(database, cursor)
    if owner is None:
        cursor.execute(f"CREATE DATABASE {name} OWNER {role}")
    elif owner[0] != role:
        cursor.execute(f"ALTER DATABASE {name} OWNER TO {role}")
