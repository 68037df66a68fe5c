-- Purpose: how many balances of a ledger and currency a sweep found off by one factor, and how many are right.
-- Parameters: sweep_id text; ledger_ids text[], currencies text[], factors numeric[], enlarged boolean[] (totals too
-- large, or too small), as many of each.
-- Columns: these four of each; balances_alike bigint; balances_right bigint, null unless the sweep measured everything.
-- A side without rows proves nothing: one of the two must be off by the factor, and the other may be right or zero.
SELECT g.ledger_id, g.currency, g.factor, g.enlarged, found.alike AS balances_alike,
       CASE WHEN s.measured_all AND s.scope ->> 'everything' = 'true' THEN (
           SELECT count(*) FROM balances AS b
           WHERE b.ledger_id = g.ledger_id AND b.currency = g.currency
             AND (b.credit_balance <> 0 OR b.debit_balance <> 0)
             AND NOT EXISTS (
                 SELECT FROM reconciliation_finding AS f
                 WHERE f.sweep_id = s.sweep_id AND f.balance_id = b.balance_id AND f.drifted)
       ) END AS balances_right
FROM unnest(%(ledger_ids)s::text[], %(currencies)s::text[], %(factors)s::numeric[], %(enlarged)s::boolean[])
    AS g (ledger_id, currency, factor, enlarged)
JOIN reconciliation_sweep AS s ON s.sweep_id = %(sweep_id)s
CROSS JOIN LATERAL (
    SELECT count(*) AS alike
    FROM reconciliation_finding AS f
    CROSS JOIN LATERAL (VALUES (
        CASE WHEN g.enlarged THEN g.factor ELSE 1 END, CASE WHEN g.enlarged THEN 1 ELSE g.factor END
    )) AS by (ought, have)
    WHERE f.sweep_id = s.sweep_id AND f.drifted AND f.ledger_id = g.ledger_id AND f.currency = g.currency
      AND (f.previous_credit_balance * by.have = f.recalculated_credit_balance * by.ought
               AND f.recalculated_credit_balance <> 0
           OR f.previous_debit_balance * by.have = f.recalculated_debit_balance * by.ought
               AND f.recalculated_debit_balance <> 0)
) AS found
