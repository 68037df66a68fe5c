-- Purpose: amounts that wait in the queue of one balance.
-- Parameters: balance_id text. Columns: debit, credit in minor units.
-- A row waits until it has a child of any final status. Both sides one balance: it counts as a debit.
WITH waiting AS (
    SELECT q.source, q.destination, q.precise_amount
    FROM transactions AS q
    WHERE q.status = 'QUEUED'
      AND (q.source = %(balance_id)s OR q.destination = %(balance_id)s)
      AND NOT EXISTS (
          SELECT FROM transactions AS child
          WHERE child.parent_transaction = q.transaction_id AND child.parent_transaction > ''
            AND child.status IN ('APPLIED', 'REJECTED', 'VOID', 'INFLIGHT')
      )
)
SELECT coalesce(sum(precise_amount) FILTER (WHERE source = %(balance_id)s), 0) AS debit,
       coalesce(sum(precise_amount) FILTER (WHERE source IS DISTINCT FROM %(balance_id)s), 0) AS credit
FROM waiting
