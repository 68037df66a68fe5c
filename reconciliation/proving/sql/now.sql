-- Purpose: the database's own clock and transaction ids, and a session whose commits stay when they are answered.
-- Parameters: none. Columns: at timestamptz; end text: of the log, insertions included; next_xid, oldest_xid bigint: transactions before the latter have ended;
-- durable text.
SELECT clock_timestamp() AS at, pg_current_wal_insert_lsn()::text AS "end",
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest_xid,
       set_config('synchronous_commit', 'on', false) AS durable
