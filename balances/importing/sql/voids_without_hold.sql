-- Purpose: find imported voids that release no hold.
-- Parameters: ledger_id text. Columns: reference, voids: how many there are; one row, or none.
SELECT min(v.reference) AS reference, count(*) AS voids
FROM transactions AS v
JOIN balances AS b ON b.balance_id = v.source
LEFT JOIN transactions AS p ON p.transaction_id = v.parent_transaction AND v.parent_transaction > ''
WHERE b.ledger_id = %(ledger_id)s AND v.status = 'VOID'
  AND (p.status IN ('INFLIGHT', 'QUEUED', 'SCHEDULED')) IS NOT TRUE
HAVING count(*) > 0
