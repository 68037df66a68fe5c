-- Purpose: Rows of one balance or currency have several precisions
-- Description: Totals are sums of minor units, which mean something only where a major unit has the same number of them
--   in every row. Where rows of a balance disagree about that, or a balance about its whole currency, their sum is
--   no amount of money: such a balance is not judged.
-- Verdict: not proved
-- Runs: deep
WITH used AS (
    SELECT side.balance_id, coalesce(nullif(t.precision, 0), 1) AS precision, count(*) AS row_count,
           min(t.transaction_id) AS example
    FROM transactions AS t
    CROSS JOIN LATERAL (VALUES (t.source), (t.destination)) AS side (balance_id)
    WHERE t.status IN ('APPLIED', 'INFLIGHT', 'VOID')
    GROUP BY 1, 2
),
own AS (
    SELECT b.balance_id, b.currency, count(*) AS precisions,
           (array_agg(u.precision ORDER BY u.row_count DESC, u.precision))[1] AS usual,
           string_agg(format('%%s in %%s', u.precision, u.row_count), ', ' ORDER BY u.row_count DESC, u.precision) AS counts,
           (array_agg(u.example ORDER BY u.row_count DESC, u.precision))[2:20] AS others,
           array_agg(u.example ORDER BY u.row_count DESC, u.precision) AS examples
    FROM used AS u
    JOIN balances AS b ON b.balance_id = u.balance_id
    GROUP BY b.balance_id, b.currency
),
currencies AS (
    SELECT currency, mode() WITHIN GROUP (ORDER BY usual) AS usual
    FROM own
    GROUP BY currency
)
SELECT o.balance_id,
       CASE WHEN o.precisions > 1 THEN format('Its rows have several precisions: %%s.', o.counts)
            ELSE format('Its rows have precision %%s, those of most balances in %%s have %%s.', o.usual, o.currency, c.usual)
       END AS detail,
       CASE WHEN o.precisions > 1 THEN o.others ELSE o.examples END AS rows
FROM own AS o
JOIN currencies AS c ON c.currency IS NOT DISTINCT FROM o.currency
WHERE o.precisions > 1 OR o.usual <> c.usual
