-- Purpose: wait until nobody else adds to the chain of records, and keep others waiting until the transaction's end.
-- Parameters: none. Columns: locked, void.
-- A statement of its own: the next one's snapshot then holds the last seal that anybody committed.
SELECT pg_advisory_xact_lock(hashtextextended('chain of records', 0)) AS locked
