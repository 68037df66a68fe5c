-- Purpose: whether a transaction whose commit is in the log is visible already; it may wait for a standby first.
-- Parameters: xid bigint, epoch included. Columns: is_visible boolean.
SELECT pg_visible_in_snapshot(%(xid)s::text::xid8, pg_current_snapshot()) AS is_visible
