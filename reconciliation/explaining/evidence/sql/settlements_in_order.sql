-- Purpose: the holds of balances and what settled them, in the order in which an adopted Blnk wrote them.
-- Parameters: balance_ids text[]. Columns: balance_id; side: credit or debit; transaction_id; status; units, at its rate
-- where a hold is credited; settles: whether measure.sql takes the row off a hold; is_orphan: whether the row that it
-- names as its parent is gone; created_at.
-- Only where rows come from Blnk: transactions then have its serial number too, but for those that were posted here since.
WITH moves AS (
    SELECT t.source AS balance_id, 'debit' AS side, t.*
    FROM transactions AS t
    WHERE t.source = ANY(%(balance_ids)s::text[])
      AND (t.status IN ('INFLIGHT', 'VOID') OR t.status = 'APPLIED' AND t.parent_transaction > '')
    UNION ALL
    SELECT t.destination, 'credit', t.*
    FROM transactions AS t
    WHERE t.destination = ANY(%(balance_ids)s::text[])
      AND (t.status IN ('INFLIGHT', 'VOID') OR t.status = 'APPLIED' AND t.parent_transaction > '')
)
SELECT m.balance_id, m.side, m.transaction_id, m.status,
       CASE WHEN m.side = 'credit' AND m.status = 'INFLIGHT'
            THEN minor_units(m.precise_amount, m.amount, m.precision /*rated , m.rate rated*/)
            ELSE minor_units(m.precise_amount, m.amount, m.precision) END AS units,
       m.status = 'VOID' OR p.status = 'INFLIGHT' OR EXISTS (
           SELECT FROM transactions AS h
           WHERE h.parent_transaction = p.transaction_id AND h.status = 'INFLIGHT'
       ) AS settles,
       m.status <> 'INFLIGHT' AND p.transaction_id IS NULL AS is_orphan, m.created_at
FROM moves AS m
LEFT JOIN transactions AS p ON p.transaction_id = m.parent_transaction AND m.parent_transaction > ''
WHERE m.status IN ('INFLIGHT', 'VOID') OR p.transaction_id IS NULL OR settles(m.reference, p.status, p.reference)
ORDER BY m.balance_id, m.number, m.created_at
