-- Purpose: wait until no other import into a ledger of this name is under way, until the end of the transaction.
-- Parameters: name text. Columns: locked, void.
-- A statement of its own: the next one's snapshot then sees the ledger that the other import committed.
SELECT pg_advisory_xact_lock(hashtextextended('import of ' || %(name)s::text, 0)) AS locked
