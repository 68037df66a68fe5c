-- Purpose: wait until no other instruction is being asked for, until the end of the transaction.
-- Columns: locked, void.
-- A statement of its own: the next one's snapshot then sees what the other one asked for.
SELECT pg_advisory_xact_lock(hashtextextended('asking for an instruction', 0)) AS locked
