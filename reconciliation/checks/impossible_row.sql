-- Purpose: A transaction moves less than nothing, or from a balance to itself
-- Description: Every movement takes a positive amount from one balance to another. A row below zero moves money against its
--   direction; a row from a balance to itself raises both its sides and moves nothing.
-- Verdict: fault
-- Runs: deep
SELECT side.balance_id,
       format('Rows below zero: %%s; from the balance to itself: %%s.',
              count(DISTINCT t.transaction_id) FILTER (WHERE t.units < 0),
              count(DISTINCT t.transaction_id) FILTER (WHERE t.source = t.destination)) AS detail,
       array_agg(DISTINCT t.transaction_id) AS rows
FROM (
    SELECT transaction_id, source, destination, coalesce(precise_amount, amount) AS units
    FROM transactions
    WHERE status IN ('APPLIED', 'INFLIGHT', 'VOID') AND (coalesce(precise_amount, amount) < 0 OR source = destination)
) AS t
CROSS JOIN LATERAL (VALUES (t.source), (t.destination)) AS side (balance_id)
WHERE side.balance_id > ''
GROUP BY side.balance_id
