-- Purpose: A row has lost its parent
-- Description: Commits, voids, refunds and applied queued postings name the row that they came from. Where that row is
--   gone, it was deleted or archived, and the history of the balance is no longer whole.
-- Verdict: fault
-- Runs: deep
-- Legs of a split hang under an id that is never stored (docs/design/posting.md, "Rows"); their reference is that of the
-- request with the number of the leg, also where the row was rebooked. Where the edit journal saw the parent deleted,
-- it did exist, whatever the reference looks like.
WITH orphans AS (
    SELECT c.transaction_id, c.source, c.destination
    FROM transactions AS c
    LEFT JOIN transactions AS p ON p.transaction_id = c.parent_transaction
    WHERE c.parent_transaction > '' AND p.transaction_id IS NULL
      AND c.parent_transaction LIKE 'txn\_%%' AND c.status <> 'VOID'
      AND ((c.reference ~ '[-_][1-9][0-9]{0,3}(_rebooked)*$' AND c.reference !~ '_refund_[0-9]+$') IS NOT TRUE
           OR c.parent_transaction IN (SELECT transaction_id FROM reconciliation_transactionedit WHERE operation = 'DELETE'))
)
SELECT side.balance_id,
       format('%%s without the row that they came from.', CASE count(*) WHEN 1 THEN 'A row' ELSE count(*) || ' rows' END)
           AS detail,
       array_agg(o.transaction_id ORDER BY o.transaction_id) AS rows
FROM orphans AS o
CROSS JOIN LATERAL (VALUES (o.source), (o.destination)) AS side (balance_id)
WHERE side.balance_id IS NOT NULL
GROUP BY side.balance_id
