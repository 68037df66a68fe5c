-- Purpose: A row has no readable amount
-- Description: An applied row without an amount, or with one that is no number, cannot be summed. What its balances
--   ought to be is unknown, so they are not judged.
-- Verdict: not proved
-- Runs: chunk
WITH odd AS (
    SELECT transaction_id, source, destination
    FROM transactions
    WHERE status = 'APPLIED' AND precise_amount IS NULL AND (amount IS NULL OR amount IN ('NaN', 'Infinity', '-Infinity'))
      AND (%(balance_ids)s::text[] IS NULL
           OR source = ANY(%(balance_ids)s::text[]) OR destination = ANY(%(balance_ids)s::text[]))
    UNION ALL
    SELECT transaction_id, source, destination
    FROM transactions
    WHERE status IN ('INFLIGHT', 'VOID') AND precise_amount IS NULL
      AND (amount IS NULL OR amount IN ('NaN', 'Infinity', '-Infinity'))
      AND (%(balance_ids)s::text[] IS NULL
           OR source = ANY(%(balance_ids)s::text[]) OR destination = ANY(%(balance_ids)s::text[]))
)
SELECT side.balance_id,
       format('%%s of its rows cannot be read: no amount.', count(*)) AS detail,
       array_agg(o.transaction_id ORDER BY o.transaction_id) AS rows
FROM odd AS o
CROSS JOIN LATERAL (VALUES (o.source), (o.destination)) AS side (balance_id)
WHERE (%(balance_ids)s::text[] IS NULL OR side.balance_id = ANY(%(balance_ids)s::text[]))
GROUP BY side.balance_id
