-- Purpose: sum the applied rows of balances, each up to an instant of its own, in one pass over their rows.
-- Parameters: numbers int[], the assertion of each place; balance_ids text[] and bounds timestamptz[] of equal length:
-- only rows effective before a bound count, and all where it is NULL.
-- Columns: number; credit and debit, minor units, summed over the balances of an assertion.
-- A running sum by balance, because a sum for each assertion would read a long history once for each of them.
WITH asked AS (
    SELECT a.number, a.balance_id, coalesce(a.bound, 'infinity') AS bound
    FROM unnest(%(numbers)s::int[], %(balance_ids)s::text[], %(bounds)s::timestamptz[]) AS a (number, balance_id, bound)
),
named AS (SELECT DISTINCT balance_id FROM asked),
sides AS (
    SELECT n.balance_id, t.effective_date, t.created_at, t.amount, t.precision, t.precise_amount, true AS is_credit
    FROM named AS n
    JOIN transactions AS t ON t.destination = n.balance_id AND t.status = 'APPLIED'
    UNION ALL
    SELECT n.balance_id, t.effective_date, t.created_at, t.amount, t.precision, t.precise_amount, false
    FROM named AS n
    JOIN transactions AS t ON t.source = n.balance_id AND t.status = 'APPLIED'
),
moves AS (
    SELECT balance_id, coalesce(effective_date, created_at) AS moved_at,
           sum(units) FILTER (WHERE is_credit) AS credit, sum(units) FILTER (WHERE NOT is_credit) AS debit
    FROM (
        SELECT *, minor_units(precise_amount, amount, precision) AS units FROM sides
    ) AS valued
    GROUP BY 1, 2
),
events AS (
    SELECT balance_id, moved_at AS happens_at, 1 AS place, credit, debit, NULL::int AS number FROM moves
    UNION ALL
    SELECT balance_id, bound, 0, 0, 0, number FROM asked
),
running AS (
    SELECT number,
           coalesce(sum(credit) OVER so_far, 0) AS credit,
           coalesce(sum(debit) OVER so_far, 0) AS debit
    FROM events
    WINDOW so_far AS (PARTITION BY balance_id ORDER BY happens_at, place ROWS UNBOUNDED PRECEDING)
)
SELECT number, sum(credit) AS credit, sum(debit) AS debit
FROM running
WHERE number IS NOT NULL
GROUP BY number
