-- Purpose: findings of a sweep that drift on one applied side by so much: the other end of a movement, perhaps.
-- Parameters: sweep_id text; sides text[] (credit, debit), units numeric[], as many of each.
-- Columns: side, units, balance_id: the side and drift that were asked for, and who has them.
SELECT w.side, w.units, f.balance_id
FROM (SELECT DISTINCT side, units FROM unnest(%(sides)s::text[], %(units)s::numeric[]) AS g (side, units)) AS w
JOIN reconciliation_finding AS f
    ON f.sweep_id = %(sweep_id)s AND f.drifted
    AND w.units = CASE w.side
        WHEN 'credit' THEN f.previous_credit_balance - f.recalculated_credit_balance
        ELSE f.previous_debit_balance - f.recalculated_debit_balance
    END
