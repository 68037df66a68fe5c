-- Purpose: More was refunded than was paid
-- Description: The refunds of a payment together may never exceed it. More means that a part of it was given back twice.
-- Verdict: fault
-- Runs: deep
-- A refund hangs under its payment and goes the other way; where it was queued, what became of it hangs under that row.
-- What was released from a hold comes back as a hold.
WITH refunds AS (
    SELECT r.parent_transaction AS paid_id, r.transaction_id, r.source, r.destination,
           minor_units(r.precise_amount, r.amount, r.precision) AS units
    FROM transactions AS r
    WHERE r.parent_transaction > '' AND r.status IN ('APPLIED', 'INFLIGHT')
    UNION ALL
    SELECT q.parent_transaction, r.transaction_id, r.source, r.destination,
           minor_units(r.precise_amount, r.amount, r.precision)
    FROM transactions AS q
    JOIN transactions AS r ON r.parent_transaction = q.transaction_id AND r.parent_transaction > ''
    WHERE q.parent_transaction > '' AND q.status IN ('QUEUED', 'SCHEDULED') AND r.status IN ('APPLIED', 'INFLIGHT')
      AND r.source = q.source
),
beyond AS (
    SELECT p.transaction_id, p.source, p.destination,
           minor_units(p.precise_amount, p.amount, p.precision) AS paid,
           sum(r.units) AS refunded, array_agg(r.transaction_id ORDER BY r.transaction_id) AS refunds
    FROM refunds AS r
    JOIN transactions AS p ON p.transaction_id = r.paid_id
    WHERE p.status IN ('APPLIED', 'VOID') AND r.source = p.destination AND r.destination = p.source
    GROUP BY p.transaction_id, p.source, p.destination, p.precise_amount, p.amount, p.precision
    HAVING sum(r.units) > minor_units(p.precise_amount, p.amount, p.precision)
)
SELECT side.balance_id,
       format('Refunded beyond what was paid: %%s.', string_agg(
           format('%%s paid %%s, refunded %%s', b.transaction_id, b.paid, b.refunded), '; ' ORDER BY b.transaction_id)) AS detail,
       array_agg(b.transaction_id ORDER BY b.transaction_id) AS rows
FROM beyond AS b
CROSS JOIN LATERAL (VALUES (b.source), (b.destination)) AS side (balance_id)
GROUP BY side.balance_id
