-- Purpose: what waits in the queue to be taken from balances.
-- Parameters: balance_ids text[]. Columns: balance_id, queued_debit in minor units, of those that have any.
SELECT q.source AS balance_id, sum(q.precise_amount) AS queued_debit
FROM transactions AS q
JOIN queueing_entry AS e ON e.transaction_id = q.transaction_id AND e.action = 'apply'
WHERE q.status = 'QUEUED' AND q.source = ANY(%(balance_ids)s::text[])
GROUP BY q.source
