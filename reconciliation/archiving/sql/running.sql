-- Purpose: the first transaction of the server that is not known to have ended. Parameters: none. Columns: oldest bigint.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest
