-- Purpose: take the lock on starting sweeps, held until the end of the transaction: one at a time starts one.
-- Parameters: none. Columns: locked, void.
-- A statement of its own: the next one's snapshot then holds the sweep that anybody committed before.
SELECT pg_advisory_xact_lock(hashtextextended('start of sweeps', 0)) AS locked
