-- Purpose: the oldest transaction that writes, for which making a replication slot waits: of any database of the server,
-- and prepared ones too. Parameters: none. Columns: gid text, NULL where it is not prepared; pid integer and program
-- text of its session, NULL where it is; since timestamptz. Sessions of others are seen with pg_read_all_stats alone.
SELECT gid, NULL::integer AS pid, NULL::text AS program, prepared AS since
FROM pg_prepared_xacts
UNION ALL
SELECT NULL, pid, application_name, xact_start
FROM pg_stat_activity
WHERE backend_xid IS NOT NULL AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
ORDER BY since
LIMIT 1
