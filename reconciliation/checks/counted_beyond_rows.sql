-- Purpose: A balance counted more postings than it has transactions
-- Description: Every posting raises the version of its two balances by one. Here the version counted more than there are
--   transactions, although the totals agree with those that are left: some were deleted, and the totals were set to fit.
-- Verdict: fault
-- Runs: deep
-- Balances that drift are left out: why is said there. So is what corrections raised. A balance that was brought along
-- with its rows, and one whose writer does not count, has a version that is too low, never one that is too high.
WITH raised AS (
    SELECT balance_id, sum(version_after - version_before) AS units
    FROM reconciliation_reconstruction
    GROUP BY balance_id
),
rows AS (
    SELECT side.balance_id, count(*) AS row_count
    FROM transactions AS t
    CROSS JOIN LATERAL (VALUES (t.source), (t.destination)) AS side (balance_id)
    WHERE t.status IN ('APPLIED', 'INFLIGHT', 'VOID')
    GROUP BY side.balance_id
)
SELECT b.balance_id,
       format('Postings that it counted: %%s; transactions that it has: %%s.',
              b.version - 1 - coalesce(a.units, 0), coalesce(r.row_count, 0)) AS detail,
       NULL::text[] AS rows
FROM balances AS b
LEFT JOIN raised AS a ON a.balance_id = b.balance_id
LEFT JOIN rows AS r ON r.balance_id = b.balance_id
WHERE b.version > 1 + coalesce(r.row_count, 0) + coalesce(a.units, 0)
  AND NOT EXISTS (
      SELECT FROM reconciliation_finding AS found
      WHERE found.sweep_id = %(sweep_id)s AND found.balance_id = b.balance_id AND found.drifted)
