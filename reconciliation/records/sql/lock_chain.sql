-- Purpose: take the lock on the chain of records, held until the end of the transaction: one writer at a time adds to it.
-- Parameters: none. Columns: locked, void.
-- A statement of its own: the next one's snapshot then holds the last seal that anybody committed.
SELECT pg_advisory_xact_lock(hashtextextended('chain of records', 0)) AS locked
