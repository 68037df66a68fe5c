-- Purpose: A void has no hold
-- Description: A void gives back what its hold kept. Without the hold in the rows, the inflight totals that follow from
--   them are too low: the hold was deleted, archived or never written.
-- Verdict: fault
-- Runs: chunk
WITH voids AS (
    SELECT transaction_id, parent_transaction, source, destination
    FROM transactions
    WHERE status = 'VOID'
      AND (%(balance_ids)s::text[] IS NULL
           OR source = ANY(%(balance_ids)s::text[]) OR destination = ANY(%(balance_ids)s::text[]))
)
SELECT side.balance_id,
       format('%%s without the hold that they release.', CASE count(*) WHEN 1 THEN 'A void' ELSE count(*) || ' voids' END)
           AS detail,
       array_agg(v.transaction_id ORDER BY v.transaction_id) AS rows
FROM voids AS v
CROSS JOIN LATERAL (VALUES (v.source), (v.destination)) AS side (balance_id)
WHERE (%(balance_ids)s::text[] IS NULL OR side.balance_id = ANY(%(balance_ids)s::text[]))
  AND NOT EXISTS (SELECT FROM transactions AS p WHERE p.transaction_id = v.parent_transaction)
GROUP BY side.balance_id
