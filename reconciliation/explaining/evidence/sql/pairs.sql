-- Purpose: two applied rows of one side, one right after the other within a day, whose sum is what is missing.
-- Parameters: balance_ids text[], sides text[] (credit, debit), units numeric[], as many of each.
-- Columns: first_, second_: those of a row as the balance sees it. Sums are sought in the covering indexes alone.
WITH debits AS MATERIALIZED (
    SELECT w.balance_id, p.*
    FROM unnest(%(balance_ids)s::text[], %(sides)s::text[], %(units)s::numeric[]) AS w (balance_id, side, units)
    CROSS JOIN LATERAL (
        SELECT t.effective_date, t.precise_amount, lag(t.effective_date) OVER seen AS before,
               lag(t.precise_amount) OVER seen AS units_before
        FROM /*dated*/transactions AS t
        WHERE t.status = 'APPLIED' AND t.source = w.balance_id
        WINDOW seen AS (ORDER BY t.effective_date)
    ) AS p
    WHERE w.side = 'debit' AND p.precise_amount + p.units_before = w.units
      AND p.effective_date - p.before <= interval '1 day'
),
credits AS MATERIALIZED (
    SELECT w.balance_id, p.*
    FROM unnest(%(balance_ids)s::text[], %(sides)s::text[], %(units)s::numeric[]) AS w (balance_id, side, units)
    CROSS JOIN LATERAL (
        SELECT t.effective_date, t.precise_amount, lag(t.effective_date) OVER seen AS before,
               lag(t.precise_amount) OVER seen AS units_before
        FROM /*dated*/transactions AS t
        WHERE t.status = 'APPLIED' AND t.destination = w.balance_id
        WINDOW seen AS (ORDER BY t.effective_date)
    ) AS p
    WHERE w.side = 'credit' AND p.precise_amount + p.units_before = w.units
      AND p.effective_date - p.before <= interval '1 day'
)
SELECT p.balance_id, 'debit' AS side, a.transaction_id AS first_id, b.transaction_id AS second_id,
       a.reference AS first_reference, b.reference AS second_reference,
       a.created_at AS first_at, b.created_at AS second_at
FROM debits AS p
CROSS JOIN LATERAL (
    SELECT t.* FROM /*dated*/transactions AS t
    WHERE t.status = 'APPLIED' AND t.source = p.balance_id
      AND t.effective_date = p.before AND t.precise_amount = p.units_before
    OFFSET 0
) AS a
CROSS JOIN LATERAL (
    SELECT t.* FROM /*dated*/transactions AS t
    WHERE t.status = 'APPLIED' AND t.source = p.balance_id
      AND t.effective_date = p.effective_date AND t.precise_amount = p.precise_amount
    OFFSET 0
) AS b
WHERE b.transaction_id <> a.transaction_id
UNION ALL
SELECT p.balance_id, 'credit' AS side, a.transaction_id AS first_id, b.transaction_id AS second_id,
       a.reference AS first_reference, b.reference AS second_reference,
       a.created_at AS first_at, b.created_at AS second_at
FROM credits AS p
CROSS JOIN LATERAL (
    SELECT t.* FROM /*dated*/transactions AS t
    WHERE t.status = 'APPLIED' AND t.destination = p.balance_id
      AND t.effective_date = p.before AND t.precise_amount = p.units_before
    OFFSET 0
) AS a
CROSS JOIN LATERAL (
    SELECT t.* FROM /*dated*/transactions AS t
    WHERE t.status = 'APPLIED' AND t.destination = p.balance_id
      AND t.effective_date = p.effective_date AND t.precise_amount = p.precise_amount
    OFFSET 0
) AS b
WHERE b.transaction_id <> a.transaction_id
ORDER BY balance_id, second_at DESC
