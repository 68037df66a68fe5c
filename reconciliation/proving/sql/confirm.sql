-- Purpose: write down how far the log was read, if this process still reads it and nothing was changed that it rests on.
-- Parameters: stream, position, commits bigint; proved_until timestamptz (NULL: as before); watcher text; schema text
-- (NULL where the tables are ours); publications, tables, columns text[].
-- Columns: at timestamptz, end text: an instant, and an end of the log before which everything that was committed by then
-- stands. No row where another process reads it, or publications, replica identities or columns were touched.
UPDATE reconciliation_proof AS p
SET position = %(position)s,
    commits = p.commits + %(commits)s,
    commits_ever = p.commits_ever + %(commits)s,
    proved_until = coalesce(%(proved_until)s, p.proved_until),
    behind = greatest(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint - %(position)s, 0),
    seen_at = clock_timestamp()
WHERE p.proof_id = 1 AND p.stream = %(stream)s AND p.watcher = %(watcher)s
  AND p.identity ->> 'published' = (
      SELECT string_agg(concat_ws(',', u.pubname, u.oid, u.xmin, r.oid, r.xmin, c.relreplident, c.relpersistence,
                                  c.has_parts, c.columns), ';' ORDER BY u.pubname, r.oid)
      FROM pg_publication AS u
      LEFT JOIN pg_publication_rel AS r ON r.prpubid = u.oid
      LEFT JOIN (
          SELECT c.oid, c.relreplident, c.relpersistence,
                 c.relkind = 'p' OR EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = c.oid) AS has_parts,
                 (SELECT md5(string_agg(concat_ws(' ', a.attnum, a.attname, a.xmin), ',' ORDER BY a.attnum))
                  FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = ANY(%(columns)s::text[])) AS columns
          FROM pg_class AS c
          JOIN pg_namespace AS n ON n.oid = c.relnamespace
          WHERE n.nspname = coalesce(%(schema)s::text, current_schema()) AND c.relname = ANY(%(tables)s::text[])
      ) AS c ON c.oid = r.prrelid
      WHERE u.pubname = ANY(%(publications)s::text[])
  )
RETURNING clock_timestamp() AS at, pg_current_wal_insert_lsn()::text AS "end"
