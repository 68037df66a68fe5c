-- Purpose: A hold was settled that was rejected or never made
-- Description: A queued hold was rejected, or nothing became of it, and a commit of it was applied all the same. The
--   commit took its amount out of the inflight totals of other holds, which stay open with nothing behind them.
-- Verdict: fault
-- Runs: deep
-- The outcome of a queued row that was rebooked is no commit either, although its reference has more behind _q.
WITH commits AS (
    SELECT c.transaction_id, c.source, c.destination, q.transaction_id AS queued_id
    FROM transactions AS c
    JOIN transactions AS q ON q.transaction_id = c.parent_transaction AND q.status IN ('QUEUED', 'SCHEDULED')
    WHERE c.parent_transaction > '' AND c.status = 'APPLIED' AND c.source = q.source AND c.destination = q.destination
      AND settles(c.reference, q.status, q.reference) AND c.reference IS DISTINCT FROM q.reference || '_q_rebooked'
),
holds AS (
    SELECT DISTINCT parent_transaction AS queued_id
    FROM transactions
    WHERE status = 'INFLIGHT' AND parent_transaction > ''
)
SELECT side.balance_id,
       format('Commits of holds that were rejected or never made: %%s.', count(*)) AS detail,
       array_agg(c.transaction_id ORDER BY c.transaction_id) AS rows
FROM commits AS c
LEFT JOIN holds AS h ON h.queued_id = c.queued_id
CROSS JOIN LATERAL (VALUES (c.source), (c.destination)) AS side (balance_id)
WHERE h.queued_id IS NULL
GROUP BY side.balance_id
