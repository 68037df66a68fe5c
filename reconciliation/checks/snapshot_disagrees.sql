-- Purpose: A snapshot keeps wrong totals
-- Description: The newest daily snapshot must equal today's totals less what was posted since. A snapshot taken while a
--   balance had drift keeps the wrong totals after the correction, and history read from it stays wrong.
-- Verdict: fault
-- Runs: once
-- Balances with rows in the minute around the snapshot are left out: a posting is dated before it is committed.
-- Judged are balances that agree with their transactions now; the drift of the others is measured already.
WITH newest AS (
    SELECT DISTINCT ON (balance_id) balance_id, snapshot_time, credit_balance, debit_balance
    FROM balance_snapshots
    ORDER BY balance_id, snapshot_time DESC
),
since AS (
    SELECT min(snapshot_time) AS first FROM newest
),
fresh AS (
    SELECT t.source, t.destination, t.precise_amount, t.status, t.created_at
    FROM transactions AS t, since
    WHERE t.created_at > since.first - interval '1 minute'
),
moved AS (
    SELECT n.balance_id,
           coalesce(sum(f.precise_amount) FILTER (WHERE f.destination = n.balance_id AND f.status = 'APPLIED'), 0) AS credit,
           coalesce(sum(f.precise_amount) FILTER (WHERE f.source = n.balance_id AND f.status = 'APPLIED'), 0) AS debit
    FROM fresh AS f
    CROSS JOIN LATERAL (VALUES (f.source), (f.destination)) AS side (balance_id)
    JOIN newest AS n ON n.balance_id = side.balance_id
    WHERE f.created_at > n.snapshot_time - interval '1 minute'
    GROUP BY n.balance_id
    HAVING bool_and(f.created_at > n.snapshot_time + interval '1 minute')
),
near AS (
    SELECT DISTINCT side.balance_id
    FROM fresh AS f
    CROSS JOIN LATERAL (VALUES (f.source), (f.destination)) AS side (balance_id)
    JOIN newest AS n ON n.balance_id = side.balance_id
    WHERE f.created_at BETWEEN n.snapshot_time - interval '1 minute' AND n.snapshot_time + interval '1 minute'
)
SELECT n.balance_id,
       format('The snapshot of %%s keeps %%s credits and %%s debits; the transactions up to then say %%s and %%s.',
              to_char(n.snapshot_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), n.credit_balance, n.debit_balance,
              b.credit_balance - coalesce(m.credit, 0), b.debit_balance - coalesce(m.debit, 0)) AS detail,
       NULL::text[] AS rows
FROM newest AS n
JOIN balances AS b ON b.balance_id = n.balance_id
LEFT JOIN moved AS m ON m.balance_id = n.balance_id
WHERE NOT EXISTS (SELECT FROM near WHERE near.balance_id = n.balance_id)
  AND NOT EXISTS (
      SELECT FROM reconciliation_finding AS found
      WHERE found.sweep_id = %(sweep_id)s AND found.balance_id = n.balance_id AND found.drifted)
  AND (n.credit_balance, n.debit_balance)
      IS DISTINCT FROM (b.credit_balance - coalesce(m.credit, 0), b.debit_balance - coalesce(m.debit, 0))
