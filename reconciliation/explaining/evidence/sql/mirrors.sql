-- Purpose: findings of a sweep with a given drift on one applied side: they may be the other end of a movement.
-- Parameters: sweep_id text; sides text[] (credit, debit), units numeric[], as many of each.
-- Columns: side, units, balance_id: the side and drift that were given, and a balance that has them.
SELECT found.side, found.units, found.balance_id
FROM (
    SELECT 'credit' AS side, f.previous_credit_balance - f.recalculated_credit_balance AS units, f.balance_id
    FROM reconciliation_finding AS f
    WHERE f.sweep_id = %(sweep_id)s AND f.drifted
    UNION ALL
    SELECT 'debit', f.previous_debit_balance - f.recalculated_debit_balance, f.balance_id
    FROM reconciliation_finding AS f
    WHERE f.sweep_id = %(sweep_id)s AND f.drifted
) AS found
JOIN (SELECT DISTINCT side, units FROM unnest(%(sides)s::text[], %(units)s::numeric[]) AS g (side, units)) AS wanted
    ON wanted.side = found.side AND wanted.units = found.units
