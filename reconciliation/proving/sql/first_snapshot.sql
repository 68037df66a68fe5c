-- Purpose: whether a sweep of everything began after a stream did: whether all that the stream does not have is in it.
-- Parameters: sweep text; xid bigint: transactions from this one on are in the stream. Columns: chunks bigint; is_after
-- boolean (NULL where it measured no chunk).
SELECT count(*) AS chunks, bool_and(pg_snapshot_xmin(snapshot::pg_snapshot)::text::bigint >= %(xid)s) AS is_after
FROM reconciliation_sweepchunk
WHERE sweep_id = %(sweep)s
