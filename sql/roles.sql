-- Three roles for Taskyard in the database that this is run in, by a superuser or the role that owns it and may create
-- roles. Run it before the first migration, and again after every later one; it changes what is there as little as it
-- can. None of them is a superuser, creates roles or databases, or reads the server's files.
--   taskyard_owner   owns the tables; nobody logs in as it
--   taskyard_leader  for `taskyard migrate`, `run` and `prune`: acts as the owner, since the worker creates and drops
--                    partitions of the audit log
--   taskyard_app     for the API, the dashboard, submitters: data alone; the audit log it can only read and add to
-- Set the passwords then, in psql: \password taskyard_leader
BEGIN;

DO $$
DECLARE
    role text;
    former record;
BEGIN
    FOREACH role IN ARRAY ARRAY['taskyard_owner', 'taskyard_leader', 'taskyard_app'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I', role);
        END IF;
    END LOOP;
    ALTER ROLE taskyard_owner NOLOGIN;
    ALTER ROLE taskyard_leader LOGIN;
    ALTER ROLE taskyard_app LOGIN;
    GRANT taskyard_owner TO taskyard_leader;
    EXECUTE format('ALTER ROLE taskyard_leader IN DATABASE %I SET role = taskyard_owner', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO taskyard_owner, taskyard_leader, taskyard_app', current_database());
    GRANT pg_read_all_stats TO taskyard_owner; -- who holds a lock

    -- what an earlier role owns
    ALTER SCHEMA public OWNER TO taskyard_owner;
    FOR former IN
        SELECT format('ALTER %s %s OWNER TO taskyard_owner',
            CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.oid::regclass) AS command
        FROM pg_class AS c
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
            AND relowner <> 'taskyard_owner'::regrole
            AND NOT EXISTS (
                SELECT FROM pg_depend WHERE objid = c.oid AND classid = 'pg_class'::regclass
                    AND deptype IN ('a', 'i') AND refclassid = 'pg_class'::regclass AND relkind = 'S')
        UNION ALL
        SELECT format('ALTER ROUTINE %s OWNER TO taskyard_owner', oid::regprocedure) FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proowner <> 'taskyard_owner'::regrole
    LOOP
        EXECUTE former.command;
    END LOOP;

    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    GRANT USAGE ON SCHEMA public TO taskyard_app;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO taskyard_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO taskyard_app;
    -- those to come, such as new partitions, can only be read until this is run again
    ALTER DEFAULT PRIVILEGES FOR ROLE taskyard_owner IN SCHEMA public GRANT SELECT ON TABLES TO taskyard_app;
    -- the audit log with its partitions, which are written by way of it, and the version of the tables
    FOR former IN
        SELECT c.oid::regclass AS name FROM pg_class AS c
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
            AND (relname IN ('task_events', 'alembic_version') OR EXISTS (
                SELECT FROM pg_inherits WHERE inhrelid = c.oid AND inhparent = to_regclass('public.task_events')))
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM taskyard_app', former.name);
        EXECUTE format('GRANT SELECT ON %s TO taskyard_app', former.name);
    END LOOP;
    IF to_regclass('public.task_events') IS NOT NULL THEN
        GRANT INSERT ON task_events TO taskyard_app;
    END IF;
END $$;

COMMIT;
