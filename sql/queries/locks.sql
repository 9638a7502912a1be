-- Finds lock holders: read from the server's own tables, which are never locked.

-- name: of_tables
-- Sessions with a lock on one of our tables that would keep us from writing there (and the wait in front of one that
-- waits for such a lock itself), the oldest transaction first. A partition counts as its table.
SELECT DISTINCT ON (a.xact_start, a.pid) coalesce(parent.relname, c.relname), a.pid, a.application_name, a.usename,
    coalesce(host(a.client_addr), ''), a.state, extract(epoch FROM clock_timestamp() - a.xact_start)::float8, a.query
FROM pg_locks wanted
JOIN pg_class c ON c.oid = wanted.relation AND c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class parent ON parent.oid = i.inhparent
CROSS JOIN LATERAL unnest(
    CASE WHEN wanted.granted THEN ARRAY[wanted.pid] ELSE pg_blocking_pids(wanted.pid) || wanted.pid END
) AS holder(pid)
JOIN pg_stat_activity a ON a.pid = holder.pid
WHERE wanted.locktype = 'relation' AND wanted.pid <> pg_backend_pid()
    AND wanted.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND coalesce(parent.relname, c.relname) = ANY(%(tables)s::text[])
    AND wanted.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    AND a.xact_start IS NOT NULL
ORDER BY a.xact_start, a.pid

-- name: of_rows
-- Sessions that hold the rows of these tasks. A row's xmax is the transaction that holds it, or a group of them (a
-- multixact): the two can't be told apart, so both are searched among the transactions in progress. A transaction
-- prepared for a two-phase commit has no session.
WITH held AS MATERIALIZED (
    SELECT t.id, t.xmax AS holder FROM tasks t WHERE t.id = ANY(%(ids)s::uuid[]) AND t.xmax::text <> '0'
), member AS (
    SELECT id, holder AS xid FROM held
    UNION
    SELECT h.id, m.xid
    FROM held h
    CROSS JOIN LATERAL (
        SELECT CASE WHEN mxid_age(h.holder) BETWEEN 1
            AND (SELECT mxid_age(datminmxid) FROM pg_database WHERE datname = current_database()) THEN h.holder END AS id
    ) g
    CROSS JOIN LATERAL pg_get_multixact_members(g.id) m
)
SELECT m.id, coalesce(l.pid, 0), coalesce(a.application_name, 'prepared transaction ' || p.gid),
    coalesce(a.usename, p.owner), coalesce(host(a.client_addr), ''), coalesce(a.state, 'prepared'),
    extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8, coalesce(a.query, '')
FROM member m
JOIN pg_locks l ON l.locktype = 'transactionid' AND l.granted AND l.transactionid = m.xid
    AND l.pid IS DISTINCT FROM pg_backend_pid()
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_prepared_xacts p ON p.transaction = m.xid
WHERE a.xact_start IS NOT NULL OR p.gid IS NOT NULL
ORDER BY 7 DESC

-- name: oldest_holders
-- Sessions whose transaction is at least this old and that changed or locked something in our tables.
SELECT DISTINCT ON (a.xact_start, a.pid) c.relname, a.pid, a.application_name, a.usename,
    coalesce(host(a.client_addr), ''), a.state, extract(epoch FROM clock_timestamp() - a.xact_start)::float8, a.query
FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid() AND l.mode <> 'AccessShareLock'
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND a.xact_start <= clock_timestamp() - make_interval(secs => %(seconds)s)
ORDER BY a.xact_start, a.pid
