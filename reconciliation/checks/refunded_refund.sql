-- Purpose: A refund was refunded
-- Description: A refund that is itself refunded pays the first payment once more. That may have been intended; before
--   0.15 Blnk did it by itself where a refund was requested twice.
-- Verdict: remark
-- Runs: deep
WITH children AS (
    SELECT c.transaction_id, c.source, c.destination, coalesce(q.parent_transaction, c.parent_transaction) AS parent_id
    FROM transactions AS c
    LEFT JOIN transactions AS q ON q.transaction_id = c.parent_transaction AND q.status IN ('QUEUED', 'SCHEDULED')
    WHERE c.parent_transaction > '' AND c.status = 'APPLIED'
),
refunds AS MATERIALIZED (
    SELECT c.transaction_id, c.source, c.destination, c.parent_id
    FROM children AS c
    JOIN transactions AS p ON p.transaction_id = c.parent_id AND p.status = 'APPLIED'
    WHERE c.source = p.destination AND c.destination = p.source
),
-- Grouped, not joined: the planner takes refunds for few, and would compare each with each.
refunded AS (
    SELECT transaction_id, max(source) AS source, max(destination) AS destination
    FROM (
        SELECT transaction_id, source, destination, true AS is_refund FROM refunds
        UNION ALL
        SELECT parent_id, NULL, NULL, false FROM refunds
    ) AS each
    GROUP BY transaction_id
    HAVING bool_or(is_refund) AND NOT bool_and(is_refund)
)
SELECT side.balance_id,
       format('Refunds that were refunded: %%s.', count(*)) AS detail,
       (array_agg(r.transaction_id ORDER BY r.transaction_id))[1:20] AS rows
FROM refunded AS r
CROSS JOIN LATERAL (VALUES (r.source), (r.destination)) AS side (balance_id)
GROUP BY side.balance_id
