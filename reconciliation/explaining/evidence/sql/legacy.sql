-- Purpose: rows from before precise_amount existed, with their precision and without it.
-- Parameters: balance_ids text[].
-- Columns: balance_id, side, units, unscaled, row_count; rows: up to 20 of them.
SELECT balance_id, side, sum(minor_units(NULL, amount, precision)) AS units,
       sum(round(amount)) AS unscaled, count(*) AS row_count,
       (array_agg(transaction_id ORDER BY created_at DESC, transaction_id DESC))[1:20] AS rows
FROM (
    SELECT source AS balance_id, 'debit' AS side, amount, precision, transaction_id, created_at
    FROM transactions
    WHERE status = 'APPLIED' AND precise_amount IS NULL AND source = ANY(%(balance_ids)s::text[])
    UNION ALL
    SELECT destination, 'credit', amount, precision, transaction_id, created_at
    FROM transactions
    WHERE status = 'APPLIED' AND precise_amount IS NULL AND destination = ANY(%(balance_ids)s::text[])
) AS legacy
GROUP BY balance_id, side
