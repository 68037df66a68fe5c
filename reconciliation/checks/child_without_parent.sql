-- Purpose: A row has lost its parent
-- Description: Commits, voids, refunds and applied queued postings name the row that they came from. Where that row is
--   gone, it was deleted or archived, and the history of the balance is no longer whole.
-- Verdict: fault
-- Runs: deep
WITH orphans AS (
    SELECT c.transaction_id, c.source, c.destination
    FROM transactions AS c
    LEFT JOIN transactions AS p ON p.transaction_id = c.parent_transaction
    WHERE c.parent_transaction > '' AND p.transaction_id IS NULL
      AND c.parent_transaction LIKE 'txn\_%%' AND c.status <> 'VOID'
)
SELECT side.balance_id,
       format('%%s without the row that they came from.', CASE count(*) WHEN 1 THEN 'A row' ELSE count(*) || ' rows' END)
           AS detail,
       array_agg(o.transaction_id ORDER BY o.transaction_id) AS rows
FROM orphans AS o
CROSS JOIN LATERAL (VALUES (o.source), (o.destination)) AS side (balance_id)
WHERE side.balance_id IS NOT NULL
GROUP BY side.balance_id
