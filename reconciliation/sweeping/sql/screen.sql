-- Purpose: the balances between two keys whose stored totals are not what their transactions say, in one snapshot
-- (docs/design/reconstruction.md, "What a balance ought to be"). The sums are those of measure.sql, which then measures
-- the balances found here.
-- Parameters: after, through text (keys; the first excluded, the last included). Columns: balance_id.
-- Each side is grouped in index order and merged with the balances; no table page of transactions is read.
WITH debits AS (
    SELECT source AS balance_id, sum(precise_amount) AS units
    FROM transactions
    WHERE status = 'APPLIED' AND source > %(after)s AND source <= %(through)s
    GROUP BY source
),
credits AS (
    SELECT destination AS balance_id, sum(precise_amount) AS units
    FROM transactions
    WHERE status = 'APPLIED' AND destination > %(after)s AND destination <= %(through)s
    GROUP BY destination
),
legacy_debits AS (
    SELECT source AS balance_id, sum(minor_units(NULL, amount, precision)) AS units
    FROM transactions
    WHERE status = 'APPLIED' AND precise_amount IS NULL AND source > %(after)s AND source <= %(through)s
    GROUP BY source
),
legacy_credits AS (
    SELECT destination AS balance_id, sum(minor_units(NULL, amount, precision)) AS units
    FROM transactions
    WHERE status = 'APPLIED' AND precise_amount IS NULL AND destination > %(after)s AND destination <= %(through)s
    GROUP BY destination
),
/*rated
rated AS (
    SELECT destination AS balance_id,
           sum(minor_units(precise_amount, amount, precision, rate) - minor_units(precise_amount, amount, precision))
               FILTER (WHERE status = 'APPLIED') AS applied,
           sum(minor_units(precise_amount, amount, precision, rate) - minor_units(precise_amount, amount, precision))
               FILTER (WHERE status = 'INFLIGHT') AS held
    FROM transactions
    WHERE rate NOT IN (0, 1) AND status IN ('APPLIED', 'INFLIGHT')
      AND destination > %(after)s AND destination <= %(through)s
    GROUP BY destination
),
rated*/
-- Rows with a source between the keys, then those of the others whose destination is: no row twice.
holds AS MATERIALIZED (
    SELECT transaction_id, parent_transaction, source, destination, status, precise_amount, amount, precision
    FROM transactions
    WHERE status IN ('INFLIGHT', 'VOID') AND source > %(after)s AND source <= %(through)s
    UNION ALL
    SELECT transaction_id, parent_transaction, source, destination, status, precise_amount, amount, precision
    FROM transactions
    WHERE status IN ('INFLIGHT', 'VOID') AND destination > %(after)s AND destination <= %(through)s
      AND (source > %(after)s AND source <= %(through)s) IS NOT TRUE
),
held AS (
    SELECT transaction_id AS parent_id, 'INFLIGHT' AS status, NULL AS reference FROM holds WHERE status = 'INFLIGHT'
    UNION ALL
    SELECT DISTINCT q.transaction_id, q.status, q.reference
    FROM holds AS h
    JOIN transactions AS q ON q.transaction_id = h.parent_transaction AND q.status <> 'INFLIGHT'
    WHERE h.status = 'INFLIGHT' AND h.parent_transaction > ''
),
commits AS MATERIALIZED (
    SELECT c.source, c.destination, minor_units(c.precise_amount, c.amount, c.precision) AS units
    FROM held AS p
    JOIN transactions AS c
        ON c.parent_transaction = p.parent_id AND c.parent_transaction > '' AND c.status = 'APPLIED'
    WHERE settles(c.reference, p.status, p.reference)
),
hold_moves AS (
    SELECT source, destination,
           CASE status WHEN 'INFLIGHT' THEN 1 ELSE -1 END
           * minor_units(precise_amount, amount, precision) AS units
    FROM holds
    UNION ALL
    SELECT source, destination, -units FROM commits
),
inflight AS (
    SELECT side.balance_id, sum(side.debit) AS debit, sum(side.credit) AS credit
    FROM hold_moves AS m
    CROSS JOIN LATERAL (VALUES (m.source, m.units, 0), (m.destination, 0, m.units)) AS side (balance_id, debit, credit)
    GROUP BY side.balance_id
),
expected AS (
    SELECT b.balance_id,
           coalesce(credits.units, 0) + coalesce(legacy_credits.units, 0) /*rated + coalesce(rated.applied, 0) rated*/
               AS credit,
           coalesce(debits.units, 0) + coalesce(legacy_debits.units, 0) AS debit,
           coalesce(inflight.credit, 0) /*rated + coalesce(rated.held, 0) rated*/ AS inflight_credit,
           coalesce(inflight.debit, 0) AS inflight_debit,
           b.credit_balance, b.debit_balance, b.balance,
           b.inflight_credit_balance, b.inflight_debit_balance, b.inflight_balance
    FROM balances AS b
    LEFT JOIN debits ON debits.balance_id = b.balance_id
    LEFT JOIN credits ON credits.balance_id = b.balance_id
    LEFT JOIN legacy_debits ON legacy_debits.balance_id = b.balance_id
    LEFT JOIN legacy_credits ON legacy_credits.balance_id = b.balance_id
    LEFT JOIN inflight ON inflight.balance_id = b.balance_id
    /*rated LEFT JOIN rated ON rated.balance_id = b.balance_id rated*/
    WHERE b.balance_id > %(after)s AND b.balance_id <= %(through)s
)
SELECT balance_id
FROM expected
WHERE credit_balance IS DISTINCT FROM credit OR debit_balance IS DISTINCT FROM debit
   OR balance IS DISTINCT FROM credit - debit
   OR inflight_credit_balance IS DISTINCT FROM inflight_credit OR inflight_debit_balance IS DISTINCT FROM inflight_debit
   OR inflight_balance IS DISTINCT FROM inflight_credit - inflight_debit
   -- NaN, infinity and fractions equal themselves: totals that are no whole number must not pass as right.
   OR min_scale(credit_balance) IS DISTINCT FROM 0 OR min_scale(debit_balance) IS DISTINCT FROM 0
   OR min_scale(inflight_credit_balance) IS DISTINCT FROM 0 OR min_scale(inflight_debit_balance) IS DISTINCT FROM 0
ORDER BY balance_id
