-- Purpose: an instant, and a number that every transaction of the server that is running now lies below. It takes a
-- number of its own for that: the snapshot's pg_snapshot_xmax may lie below running ones. Parameters: none.
-- Columns: following bigint, looked_at timestamptz.
SELECT pg_current_xact_id()::text::bigint AS following, clock_timestamp() AS looked_at
