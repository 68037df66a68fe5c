-- Purpose: how many balances each check of a sweep spoke up about.
-- Parameters: sweep_id text. Columns: check_name, balances.
SELECT entry ->> 'check' AS check_name, count(DISTINCT f.balance_id) AS balances
FROM reconciliation_finding AS f
CROSS JOIN LATERAL jsonb_array_elements(f.faults || f.not_proved || f.remarks) AS entry
WHERE f.sweep_id = %(sweep_id)s
GROUP BY 1
