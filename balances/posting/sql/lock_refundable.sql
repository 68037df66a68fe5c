-- Purpose: keep others from refunding the same rows until the end of the transaction.
-- Parameters: ids text[]; lock_wait text (a PostgreSQL interval), the limit for each lock. Columns: transaction_id.
-- In key order, so that no two refunds wait for each other; after the balances, where these are locked too.
SELECT t.transaction_id
FROM transactions AS t
WHERE t.transaction_id = ANY(%(ids)s::text[]) AND set_config('lock_timeout', %(lock_wait)s, true) IS NOT NULL
ORDER BY t.transaction_id
FOR NO KEY UPDATE
