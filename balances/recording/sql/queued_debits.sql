-- Purpose: the debits of balances that wait in the queue.
-- Parameters: balance_ids text[]. Columns: balance_id, queued_debit in minor units; only balances that have any.
SELECT q.source AS balance_id, sum(q.precise_amount) AS queued_debit
FROM transactions AS q
JOIN queueing_entry AS e ON e.transaction_id = q.transaction_id AND e.action = 'apply'
WHERE q.status = 'QUEUED' AND q.source = ANY(%(balance_ids)s::text[])
GROUP BY q.source
