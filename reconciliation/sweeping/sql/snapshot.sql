-- Purpose: the snapshot in which a chunk is measured, by which it is known later what was in it. Parameters: none.
-- Columns: snapshot text.
SELECT pg_current_snapshot()::text AS snapshot
