-- Purpose: balances for which a full sweep found another drift than the one before it and the commits between add up to.
-- Parameters: stream bigint; before, after text (sweeps); most integer. Columns: balance_id; expected, found numeric[]:
-- the drift of the four sides; balances bigint: how many there are in all.
-- A break is in what a sweep measured if its transaction is visible in the snapshot of that.
WITH wanted AS (
    SELECT balance_id FROM reconciliation_finding WHERE sweep_id IN (%(before)s, %(after)s) AND drifted
    UNION
    SELECT balance_id FROM reconciliation_break WHERE stream = %(stream)s AND balance_id > ''
),
measured AS (
    SELECT w.balance_id, s.sweep_id, measured_in(s.sweep_id, w.balance_id) AS snapshot,
           coalesce(f.previous_credit_balance - f.recalculated_credit_balance, 0) AS credit,
           coalesce(f.previous_debit_balance - f.recalculated_debit_balance, 0) AS debit,
           coalesce(f.previous_inflight_credit_balance - f.recalculated_inflight_credit_balance, 0) AS held_credit,
           coalesce(f.previous_inflight_debit_balance - f.recalculated_inflight_debit_balance, 0) AS held_debit
    FROM wanted AS w
    CROSS JOIN (VALUES (%(before)s), (%(after)s)) AS s (sweep_id)
    LEFT JOIN reconciliation_finding AS f ON f.sweep_id = s.sweep_id AND f.balance_id = w.balance_id AND f.drifted
    -- What is no number has no drift that could be compared.
    WHERE NOT EXISTS (
        SELECT FROM reconciliation_finding AS u
        WHERE u.sweep_id IN (%(before)s, %(after)s) AND u.balance_id = w.balance_id AND u.not_proved @> '[{"check": "unreadable_totals"}]'
    )
),
compared AS (
    SELECT a.balance_id,
           ARRAY[b.credit + coalesce(sum(k.credit_balance), 0), b.debit + coalesce(sum(k.debit_balance), 0),
                 b.held_credit + coalesce(sum(k.inflight_credit_balance), 0),
                 b.held_debit + coalesce(sum(k.inflight_debit_balance), 0)] AS expected,
           ARRAY[a.credit, a.debit, a.held_credit, a.held_debit] AS found
    FROM measured AS a
    JOIN measured AS b ON b.balance_id = a.balance_id AND b.sweep_id = %(before)s
    LEFT JOIN reconciliation_break AS k
        ON k.balance_id = a.balance_id AND k.stream = %(stream)s
       AND (b.snapshot IS NULL OR NOT pg_visible_in_snapshot(k.xid::text::xid8, b.snapshot))
       AND (a.snapshot IS NULL OR pg_visible_in_snapshot(k.xid::text::xid8, a.snapshot))
    WHERE a.sweep_id = %(after)s
    GROUP BY a.balance_id, a.credit, a.debit, a.held_credit, a.held_debit, b.credit, b.debit, b.held_credit, b.held_debit
)
SELECT balance_id, expected, found, count(*) OVER () AS balances
FROM compared
WHERE expected <> found
ORDER BY balance_id
LIMIT %(most)s
