-- Purpose: wait until nobody else starts a sweep, and keep others waiting until the transaction's end.
-- Parameters: none. Columns: locked, void.
-- A statement of its own: the next one's snapshot then holds the sweep that anybody committed before.
SELECT pg_advisory_xact_lock(hashtextextended('start of sweeps', 0)) AS locked
