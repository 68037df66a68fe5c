-- Purpose: Something was edited by force since the last proof
-- Description: The edit journal saw a transaction changed or deleted past the guard, or totals changed in SQL that no
--   transaction stands beside, after the last finished sweep of all balances; and it was neither put back nor corrected
--   since. The totals may agree with the transactions all the same.
-- Verdict: fault
-- Runs: once
-- Totals of balances that drift or cannot be judged, or could not at the last proof, are left out: why is said there. So
-- are changes of a foreign writer's postings, and those that cancel each other out, whatever stood there meanwhile.
WITH proof AS (
    SELECT sweep_id, started_at AS at
    FROM (
        SELECT sweep_id, started_at FROM reconciliation_sweep
        WHERE state = 'finished' AND scope ->> 'everything' = 'true' AND sweep_id <> %(sweep_id)s
        UNION ALL
        SELECT '', '-infinity'
    ) AS proofs
    ORDER BY started_at DESC
    LIMIT 1
),
forced AS (
    SELECT DISTINCT ON (e.transaction_id) e.transaction_id, e.old, e.database_user, e.edited_at,
           max(e.edited_at) OVER (PARTITION BY e.transaction_id) AS last_at
    FROM reconciliation_transactionedit AS e
    JOIN proof ON e.edited_at > proof.at
    ORDER BY e.transaction_id, e.id
),
rows AS (
    SELECT f.transaction_id, f.database_user, f.last_at,
           ARRAY[f.old ->> 'source', f.old ->> 'destination', t.source, t.destination] AS ends
    FROM forced AS f
    LEFT JOIN transactions AS t ON t.transaction_id = f.transaction_id
    WHERE t.transaction_id IS NULL
       OR (t.source, t.destination, t.status, t.currency, t.precise_amount, t.amount, t.precision, t.parent_transaction,
           t.description, t.created_at, t.effective_date, t.scheduled_for)
          IS DISTINCT FROM (
              f.old ->> 'source', f.old ->> 'destination', f.old ->> 'status', f.old ->> 'currency',
              (f.old ->> 'precise_amount')::numeric, (f.old ->> 'amount')::numeric, (f.old ->> 'precision')::bigint,
              f.old ->> 'parent_transaction', f.old ->> 'description', (f.old ->> 'created_at')::timestamptz,
              (f.old ->> 'effective_date')::timestamptz,
              -- In Blnk's own rows, the zero instant stands for none, and so does that of the creation.
              nullif(nullif((f.old ->> 'scheduled_for')::timestamptz, '0001-01-01 00:00:00+00'),
                     (f.old ->> 'created_at')::timestamptz))
       OR (t.reference IS DISTINCT FROM f.old ->> 'reference'
           AND t.reference IS DISTINCT FROM (f.old ->> 'reference') || '_rebooked')
),
edited AS (
    SELECT DISTINCT e.balance_id, r.transaction_id, r.database_user, r.last_at
    FROM rows AS r
    CROSS JOIN LATERAL unnest(r.ends) AS e (balance_id)
    WHERE e.balance_id > ''
    UNION ALL
    SELECT e.balance_id, NULL, max(e.database_user), max(e.edited_at)
    FROM reconciliation_balanceedit AS e
    JOIN proof ON e.edited_at > proof.at
    CROSS JOIN unnest('{credit_balance,debit_balance,inflight_credit_balance,inflight_debit_balance}'::text[]) AS total
    WHERE e.operation = 'UPDATE'
      AND NOT EXISTS (
          SELECT FROM reconciliation_finding AS f
          WHERE f.sweep_id IN (%(sweep_id)s, proof.sweep_id) AND f.balance_id = e.balance_id
            AND (f.drifted OR f.not_proved <> '[]'))
      AND NOT EXISTS (
          SELECT FROM transactions AS t
          WHERE hashtextextended(t.source, 0) = hashtextextended(e.balance_id, 0) AND t.source = e.balance_id
            AND t.created_at BETWEEN e.edited_at - interval '5 seconds' AND e.edited_at + interval '5 seconds')
      AND NOT EXISTS (
          SELECT FROM transactions AS t
          WHERE hashtextextended(t.destination, 0) = hashtextextended(e.balance_id, 0) AND t.destination = e.balance_id
            AND t.created_at BETWEEN e.edited_at - interval '5 seconds' AND e.edited_at + interval '5 seconds')
    GROUP BY e.balance_id, total
    HAVING sum(CASE WHEN e.new ->> total ~ '\d' THEN (e.new ->> total)::numeric ELSE 0 END
               - CASE WHEN e.old ->> total ~ '\d' THEN (e.old ->> total)::numeric ELSE 0 END) <> 0
)
SELECT e.balance_id,
       format('Edited by force: %%s, last by database user %%s on %%s UTC.',
              concat_ws(' and ',
                  CASE WHEN count(e.transaction_id) > 0 THEN count(DISTINCT e.transaction_id) || ' of its transactions' END,
                  CASE WHEN count(*) > count(e.transaction_id) THEN 'its totals' END),
              (array_agg(e.database_user ORDER BY e.last_at DESC))[1],
              to_char(max(e.last_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')) AS detail,
       array_agg(DISTINCT e.transaction_id) FILTER (WHERE e.transaction_id IS NOT NULL) AS rows
FROM edited AS e
WHERE NOT EXISTS (
    SELECT FROM reconciliation_reconstruction AS r
    WHERE r.balance_id = e.balance_id AND r.outcome IN ('corrected', 'rebooked') AND r.executed_at > e.last_at)
GROUP BY e.balance_id
