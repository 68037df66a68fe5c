-- Purpose: A row is in another currency than its balance
-- Description: Blnk once credited amounts at an exchange rate that it then forgot. Such rows cannot be summed into the
--   balance: rebuilding it would destroy the difference, so it is not judged.
-- Verdict: not proved
-- Runs: deep
-- Also run for single balances (balance_ids), where rates are gone from an adopted database.
SELECT side.balance_id,
       format('%%s rows in another currency than %%s: %%s.', count(*), b.currency,
              string_agg(DISTINCT t.currency, ', ')) AS detail,
       (array_agg(t.transaction_id ORDER BY t.transaction_id))[1:20] AS rows
FROM transactions AS t
CROSS JOIN LATERAL (VALUES (t.source), (t.destination)) AS side (balance_id)
JOIN balances AS b ON b.balance_id = side.balance_id
WHERE t.status IN ('APPLIED', 'INFLIGHT', 'VOID') AND t.currency IS DISTINCT FROM b.currency
  AND (%(balance_ids)s::text[] IS NULL
       OR t.source = ANY(%(balance_ids)s::text[]) OR t.destination = ANY(%(balance_ids)s::text[]))
  /*rated AND false -- its rate stands beside each row, and is measured with rated*/
GROUP BY side.balance_id, b.currency
