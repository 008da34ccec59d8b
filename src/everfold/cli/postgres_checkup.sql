-- What `everfold doctor` asks a PostgreSQL server. Names of the store's tables are found by the search path.

-- about: the process that works for us, whether it follows another, sessions, how many are hidden, the user's rights
SELECT pg_backend_pid(), pg_is_in_recovery(),
    (SELECT count(*) FROM pg_stat_activity WHERE coalesce(backend_type, 'client backend') = 'client backend'
        AND datid IS NOT NULL),
    (SELECT count(*) FROM pg_stat_activity WHERE query = '<insufficient privilege>' AND datid IS NOT NULL),
    current_user::text, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
    has_table_privilege('events', 'INSERT');

-- store: how many upgrades the schema has seen, and which programs can work with it
SELECT version, compatible FROM everfold_store ORDER BY version DESC LIMIT 1;

-- settings: those that matter, as they are in force in this session
SELECT name, setting FROM pg_settings WHERE name IN (
    'fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names', 'wal_level', 'data_checksums',
    'autovacuum', 'track_counts', 'max_connections', 'superuser_reserved_connections', 'server_encoding');

-- sessions: the oldest transactions of others in this cluster; those of every database keep the rest from being cleaned
SELECT * FROM (
    SELECT pid, concat_ws(' ', usename, nullif(application_name, '')) AS who, coalesce(state, 'unknown') AS state,
        extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds
    FROM pg_stat_activity
    WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    UNION ALL
    SELECT NULL, gid, 'waiting for its COMMIT PREPARED', extract(epoch FROM clock_timestamp() - prepared)::float8
    FROM pg_prepared_xacts
) AS open ORDER BY seconds DESC LIMIT 20;

-- standbys: the servers that follow this one
SELECT coalesce(application_name, 'a standby'), state, sync_state FROM pg_stat_replication ORDER BY 1;

-- idle_slots: log that is kept for somebody who does not read it
SELECT slot_name::text FROM pg_replication_slots WHERE NOT active AND NOT pg_is_in_recovery() ORDER BY 1;

-- invalid_indexes: those in the schema that are not used, as what interrupted their building leaves behind
SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND NOT (i.indisvalid AND i.indisready)
    AND NOT EXISTS (SELECT 1 FROM pg_stat_progress_create_index AS p WHERE p.index_relid = i.indexrelid) ORDER BY 1;

-- unvacuumed_tables: those in the schema for which somebody has turned autovacuum off
SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace CROSS JOIN LATERAL pg_options_to_table(c.reloptions) AS o
WHERE n.nspname = %(schema)s AND c.relkind = 'r' AND o.option_name = 'autovacuum_enabled'
    AND NOT o.option_value::boolean ORDER BY 1;

-- sizes: bytes of the log and what belongs to it, and of everything else in the schema
SELECT coalesce(sum(bytes) FILTER (WHERE is_log), 0), coalesce(sum(bytes) FILTER (WHERE NOT is_log), 0) FROM (
    SELECT c.relname = 'events' OR c.relname LIKE 'everfold\_%%' AS is_log, pg_total_relation_size(c.oid) AS bytes
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relkind = 'r') AS tables;
