-- Purpose: find an imported transaction whose parent was not in the file.
-- Parameters: ledger_id text. Columns: reference; one row, or none.
SELECT child.reference
FROM transactions AS child
JOIN balances AS b ON b.balance_id = child.source
WHERE b.ledger_id = %(ledger_id)s
  AND child.parent_transaction > ''
  AND NOT EXISTS (SELECT FROM transactions AS parent WHERE parent.transaction_id = child.parent_transaction)
LIMIT 1
