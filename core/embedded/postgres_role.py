"""Creates the role without superuser rights that Taskyard uses in the embedded PostgreSQL.

It owns its database and everything in it, since the worker creates partitions and migrations run as the owner, and
it may read the server's statistics. It can't run programs, access files of the server or become another role.
"""

from __future__ import annotations

import sqlalchemy as sa

from taskyard.core.errors import Unavailable
from taskyard.core.i18n import msg

_CONNECT_TIMEOUT_SECONDS = 5
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
    engine = sa.create_engine(
        sa.make_url(url),
        poolclass=sa.NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"connect_timeout": _CONNECT_TIMEOUT_SECONDS},
    )
    inside = sa.create_engine(
        sa.make_url(url).set(database=database),
        poolclass=sa.NullPool,
        connect_args={"connect_timeout": _CONNECT_TIMEOUT_SECONDS},
    )
    try:
        with engine.connect() as connection:
            _prepare(connection, role, database)
        with inside.begin() as connection:
            connection.execute(sa.text(f"ALTER SCHEMA public OWNER TO {role}"))
            connection.exec_driver_sql(_HAND_OVER.replace("{role}", role).replace("%", "%%"))
    except sa.exc.DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        raise Unavailable(
            msg("the role {role} of the embedded PostgreSQL can't be prepared: {reason}", role=role, reason=reason)
        ) from None


def _prepare(connection: sa.Connection, role: str, database: str) -> None:
    exists = sa.text("SELECT 1 FROM pg_roles WHERE rolname = :name")
    if connection.execute(exists, {"name": role}).first() is None:
        connection.execute(sa.text(f"CREATE ROLE {role} {_ATTRIBUTES}"))
    elif connection.execute(sa.text("SELECT rolsuper FROM pg_roles WHERE rolname = :name"), {"name": role}).scalar():
        connection.execute(sa.text(f"ALTER ROLE {role} {_ATTRIBUTES}"))
    connection.execute(sa.text(f"GRANT pg_monitor TO {role}"))
    owner = sa.text("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = :name")
    found = connection.execute(owner, {"name": database}).scalar()
    if found is None:
        connection.execute(sa.text(f"CREATE DATABASE {sa.quoted_name(database, True)} OWNER {role}"))
    elif found != role:
        connection.execute(sa.text(f"ALTER DATABASE {sa.quoted_name(database, True)} OWNER TO {role}"))
