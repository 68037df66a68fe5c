-- Purpose: what a measurement in PostgreSQL has read. Parameters: none.
-- Columns: server, database, position (of the write-ahead log; on a standby what it has replayed).
SELECT coalesce(host(inet_server_addr()), 'this machine') || ', PostgreSQL ' || current_setting('server_version') AS server,
       current_database() AS database,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text AS position
