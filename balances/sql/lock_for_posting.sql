-- Purpose: lock the balances of a posting against other writers, always in key order, so that no two wait for each other.
-- Parameters: balance_ids text[]. Columns: balance_id, available numeric: what a debit may take without overdraft.
SELECT balance_id, balance - inflight_debit_balance AS available
FROM balances
WHERE balance_id = ANY(%(balance_ids)s::text[])
ORDER BY balance_id
FOR NO KEY UPDATE
