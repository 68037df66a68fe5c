-- Purpose: A queued or scheduled transaction is stuck
-- Description: A transaction was accepted more than an hour ago, or its date came more than an hour ago, and it was neither
--   applied nor rejected. Look whether a worker runs (manage.py work).
-- Verdict: remark
-- Runs: deep
WITH waiting AS (
    SELECT q.transaction_id, q.source, q.destination
    FROM transactions AS q
    LEFT JOIN transactions AS c ON c.parent_transaction = q.transaction_id AND c.parent_transaction > ''
    WHERE q.status IN ('QUEUED', 'SCHEDULED') AND c.transaction_id IS NULL
      AND greatest(q.created_at, q.scheduled_for) < now() - interval '1 hour'
)
SELECT side.balance_id,
       format('Transactions that were neither applied nor rejected: %%s.', count(*)) AS detail,
       (array_agg(w.transaction_id ORDER BY w.transaction_id))[1:20] AS rows
FROM waiting AS w
CROSS JOIN LATERAL (VALUES (w.source), (w.destination)) AS side (balance_id)
WHERE side.balance_id > ''
GROUP BY side.balance_id
