-- Purpose: A refund was refunded
-- Description: A refund that is itself refunded pays the first payment once more. Somebody may have wanted that; before
--   0.15 Blnk did it by itself where a refund was asked for twice.
-- Verdict: remark
-- Runs: deep
WITH children AS (
    SELECT c.transaction_id, c.source, c.destination, coalesce(q.parent_transaction, c.parent_transaction) AS parent_id
    FROM transactions AS c
    LEFT JOIN transactions AS q ON q.transaction_id = c.parent_transaction AND q.status IN ('QUEUED', 'SCHEDULED')
    WHERE c.parent_transaction > '' AND c.status = 'APPLIED'
),
refunds AS (
    SELECT c.transaction_id, c.source, c.destination, c.parent_id
    FROM children AS c
    JOIN transactions AS p ON p.transaction_id = c.parent_id AND p.status = 'APPLIED'
    WHERE c.source = p.destination AND c.destination = p.source
)
SELECT side.balance_id,
       format('Refunds that were refunded: %%s.', count(*)) AS detail,
       array_agg(DISTINCT second.parent_id) AS rows
FROM refunds AS second
JOIN refunds AS first ON first.transaction_id = second.parent_id
CROSS JOIN LATERAL (VALUES (second.source), (second.destination)) AS side (balance_id)
GROUP BY side.balance_id
