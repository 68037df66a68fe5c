-- Purpose: wait until no other reconstruction works on these balances, until the end of the transaction.
-- Parameters: balance_ids text[]. Columns: locked, void.
-- A statement of its own: the next one's snapshot is then newer than what the other reconstruction committed.
-- Postings are not blocked, no row is locked. Keys in order, so that no two reconstructions wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended('reconstruction of ' || balance_id, 0)) AS locked
FROM (SELECT balance_id FROM unnest(%(balance_ids)s::text[]) AS given (balance_id) ORDER BY balance_id COLLATE "C") AS k
