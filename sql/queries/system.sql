-- Reads the System page's data on the database itself: each statement reads the catalogue and the server's
-- statistics, or the end of an index, never a whole table.

-- name: relations
-- Our tables, including partitions: size on disk, estimated rows, when they were last vacuumed.
SELECT c.relname, p.relname, pg_table_size(c.oid), pg_indexes_size(c.oid),
    CASE WHEN s.n_live_tup > 0 THEN s.n_live_tup ELSE greatest(c.reltuples, 0)::bigint END, s.n_dead_tup,
    greatest(s.last_vacuum, s.last_autovacuum)
FROM pg_class c
JOIN pg_stat_all_tables s ON s.relid = c.oid
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class p ON p.oid = i.inhparent
WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
ORDER BY c.relname

-- name: indexes
-- Our indexes, those of partitions summed up: table, size on disk, number of scans.
SELECT coalesce(pi.relname, i.relname), coalesce(pt.relname, t.relname), sum(pg_relation_size(i.oid))::bigint,
    sum(s.idx_scan)::bigint
FROM pg_class i
JOIN pg_index x ON x.indexrelid = i.oid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_stat_all_indexes s ON s.indexrelid = i.oid
LEFT JOIN pg_inherits h ON h.inhrelid = i.oid
LEFT JOIN pg_class pi ON pi.oid = h.inhparent
LEFT JOIN pg_index px ON px.indexrelid = pi.oid
LEFT JOIN pg_class pt ON pt.oid = px.indrelid
WHERE i.relkind = 'i' AND i.relnamespace = current_schema()::regnamespace
GROUP BY 1, 2 ORDER BY 3 DESC, 1

-- name: oldest
-- The oldest data with a retention: the end of the ended task that was submitted first, the first end of an agent, and
-- the first resolution of an alert.
SELECT (SELECT finished_at FROM tasks WHERE finished_at IS NOT NULL ORDER BY id LIMIT 1),
    (SELECT min(left_at) FROM agents), (SELECT min(resolved_at) FROM alerts)

-- name: oldest_metrics
-- The oldest counts and samples of each level.
SELECT l.level, least((SELECT min(at) FROM metric_counts WHERE level_seconds = l.level),
    (SELECT min(at) FROM metric_samples WHERE level_seconds = l.level))
FROM unnest(%(levels)s::int[]) AS l(level) ORDER BY l.level

-- name: schema_version
-- The revision of the schema.
SELECT version_num FROM alembic_version

-- name: started
-- The server's start time.
SELECT pg_postmaster_start_time()
