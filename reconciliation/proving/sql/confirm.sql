-- Purpose: write down how far the log was read, if this process still reads it and nothing was changed that it rests on.
-- Parameters: stream, position, commits bigint; proved_until timestamptz (NULL: as before); watcher text; schema text
-- (NULL where the tables are ours); publications, tables text[].
-- Columns: at timestamptz, end text: an instant, and an end of the log before which everything that was committed by then
-- stands. No row where another process reads it, or the publications or replica identities were touched.
UPDATE reconciliation_proof AS p
SET position = %(position)s,
    commits = p.commits + %(commits)s,
    commits_ever = p.commits_ever + %(commits)s,
    proved_until = greatest(p.proved_until, %(proved_until)s),
    behind = greatest(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint - %(position)s, 0),
    seen_at = clock_timestamp()
WHERE p.proof_id = 1 AND p.stream = %(stream)s AND p.watcher = %(watcher)s
  AND p.identity ->> 'published' = (
      SELECT string_agg(concat_ws(',', u.pubname, u.oid, u.xmin, r.oid, r.xmin, c.relreplident, c.relpersistence), ';'
                        ORDER BY u.pubname, r.oid)
      FROM pg_publication AS u
      LEFT JOIN pg_publication_rel AS r ON r.prpubid = u.oid
      LEFT JOIN (
          SELECT c.oid, c.relreplident, c.relpersistence
          FROM pg_class AS c
          JOIN pg_namespace AS n ON n.oid = c.relnamespace
          WHERE n.nspname = coalesce(%(schema)s::text, current_schema()) AND c.relname = ANY(%(tables)s::text[])
      ) AS c ON c.oid = r.prrelid
      WHERE u.pubname = ANY(%(publications)s::text[])
  )
RETURNING clock_timestamp() AS at, pg_current_wal_insert_lsn()::text AS "end"
