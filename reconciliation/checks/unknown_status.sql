-- Purpose: A transaction has a status that is not known
-- Description: What a transaction does to its balances follows from its status. One without a status, or with another
--   than the six that there are, is not counted: what its balances ought to be is unknown, so they are not judged.
-- Verdict: not proved
-- Runs: deep
SELECT side.balance_id,
       format('Transactions with a status that is not known: %%s (%%s).', count(*),
              string_agg(DISTINCT coalesce(quote_literal(left(t.status, 40)), 'none'), ', ')) AS detail,
       (array_agg(t.transaction_id ORDER BY t.transaction_id))[1:20] AS rows
FROM transactions AS t
CROSS JOIN LATERAL (VALUES (t.source), (t.destination)) AS side (balance_id)
WHERE (t.status IN ('QUEUED', 'SCHEDULED', 'INFLIGHT', 'APPLIED', 'VOID', 'REJECTED')) IS NOT TRUE
  AND side.balance_id > ''
GROUP BY side.balance_id
