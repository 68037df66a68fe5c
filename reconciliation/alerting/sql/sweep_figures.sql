-- Purpose: count what a sweep found: drift by currency, balances by cause, by check and by what was not proved.
-- Parameters: sweep_id text.
-- Columns: figure (drift, causes, checks, not_proved), label, balances bigint, explained numeric, unexplained numeric.
-- The findings of a sweep are read once, by the unique index on sweep and balance.
WITH found AS MATERIALIZED (
    SELECT f.balance_id, f.currency, f.drifted, f.cause, f.explained, f.unexplained, f.faults, f.not_proved
    FROM reconciliation_finding AS f
    WHERE f.sweep_id = %(sweep_id)s
)
SELECT 'drift' AS figure, currency AS label, count(*) AS balances,
       sum(explained) AS explained, sum(unexplained) AS unexplained
FROM found WHERE drifted GROUP BY currency
UNION ALL
SELECT 'causes', cause, count(*), 0, 0 FROM found WHERE drifted AND cause > '' GROUP BY cause
UNION ALL
SELECT 'checks', fault ->> 'check', count(DISTINCT balance_id), 0, 0
FROM found CROSS JOIN LATERAL jsonb_array_elements(faults) AS fault GROUP BY fault ->> 'check'
UNION ALL
SELECT 'not_proved', reason ->> 'check', count(DISTINCT balance_id), 0, 0
FROM found CROSS JOIN LATERAL jsonb_array_elements(not_proved) AS reason GROUP BY reason ->> 'check'
