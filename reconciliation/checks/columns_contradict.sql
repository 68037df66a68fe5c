-- Purpose: The columns of a row contradict each other
-- Description: The amount times the precision must be the precise amount, but for rounding, and a whole number; and the
--   outcome of a queued transaction must have its amount, currency and balances. Otherwise the row was changed, or was
--   written by a faulty program: there is no way to know which of its columns is right.
-- Verdict: fault
-- Runs: deep
-- Also run for single balances (balance_ids), to see whether their rows may be trusted. The original keeps amounts as
-- floats, of which fifteen digits are exact: a change of minor units beyond them looks the same as rounding. An amount
-- that follows from minor units has sixteen decimals at most: at a precision of 10^18 that is up to 50 units off.
WITH odd AS (
    SELECT transaction_id, source, destination
    FROM transactions
    WHERE status IN ('APPLIED', 'INFLIGHT', 'VOID')
      AND (min_scale(precise_amount) IS DISTINCT FROM 0 AND precise_amount IS NOT NULL
           OR abs(amount * coalesce(nullif(precision, 0), 1) - precise_amount)
              >= greatest(1, abs(precise_amount) * 0.000000000000001)
           AND amount IS DISTINCT FROM round(precise_amount / coalesce(nullif(precision, 0), 1), 16))
      AND (%(balance_ids)s::text[] IS NULL
           OR status = 'APPLIED' AND source = ANY(%(balance_ids)s::text[])
           OR status = 'APPLIED' AND destination = ANY(%(balance_ids)s::text[])
           OR status IN ('INFLIGHT', 'VOID') AND source = ANY(%(balance_ids)s::text[])
           OR status IN ('INFLIGHT', 'VOID') AND destination = ANY(%(balance_ids)s::text[]))
    UNION
    SELECT c.transaction_id, c.source, c.destination
    FROM transactions AS c
    JOIN transactions AS q
        ON q.transaction_id = c.parent_transaction AND q.status IN ('QUEUED', 'SCHEDULED')
    WHERE c.status IN ('APPLIED', 'INFLIGHT') AND c.parent_transaction > '' AND c.reference = q.reference || '_q'
      AND (c.precise_amount, c.amount, c.currency, c.source, c.destination)
          IS DISTINCT FROM (q.precise_amount, q.amount, q.currency, q.source, q.destination)
      AND (%(balance_ids)s::text[] IS NULL
           OR c.status = 'APPLIED' AND c.source = ANY(%(balance_ids)s::text[])
           OR c.status = 'APPLIED' AND c.destination = ANY(%(balance_ids)s::text[])
           OR c.status = 'INFLIGHT' AND c.source = ANY(%(balance_ids)s::text[])
           OR c.status = 'INFLIGHT' AND c.destination = ANY(%(balance_ids)s::text[]))
)
SELECT side.balance_id,
       format('Rows whose columns contradict each other, or the queued row that they came from: %%s.', count(*)) AS detail,
       array_agg(o.transaction_id ORDER BY o.transaction_id) AS rows
FROM odd AS o
CROSS JOIN LATERAL (VALUES (o.source), (o.destination)) AS side (balance_id)
WHERE side.balance_id > ''
GROUP BY side.balance_id
