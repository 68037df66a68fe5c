-- Purpose: A payment looks as if it was made twice
-- Description: Two payments of one amount between the same balances came within ten minutes, and their references differ only
--   by a mark of a retry or a number behind the other's whole reference. Payments of which one was refunded are left out.
-- Verdict: remark
-- Runs: deep
-- References of a series, as inv-1 and inv-2, are not alike: without its number neither is the other's.
WITH paid AS (
    SELECT transaction_id, source, destination, currency, precise_amount, created_at,
           lower(btrim(CASE WHEN parent_transaction > '' THEN left(reference, -2) ELSE reference END)) AS reference,
           least(created_at - lag(created_at) OVER near, lead(created_at) OVER near - created_at) AS apart
    FROM transactions
    WHERE status = 'APPLIED' AND precise_amount IS NOT NULL
      AND (coalesce(parent_transaction, '') = '' OR reference LIKE '%%\_q')
    WINDOW near AS (PARTITION BY source, destination, currency, precise_amount ORDER BY created_at)
),
close AS MATERIALIZED (
    SELECT *,
           regexp_replace(reference,
               '([-_.:/# ]*[(]?(retry|retried|again|duplicate|dup|copy|resend|resent|repeat|redo|attempt|try)[-_.:# ]*[0-9]*[)]?)+$',
               '') AS base,
           substring(reference FROM '^(.+)[-_.:/# ]+[(]?[2-9][)]?$') AS stem
    FROM paid
    WHERE apart <= interval '10 minutes'
),
pairs AS (
    SELECT a.transaction_id AS first_id, b.transaction_id AS second_id, b.source, b.destination
    FROM close AS a
    JOIN close AS b USING (source, destination, currency, precise_amount)
    WHERE a.transaction_id <> b.transaction_id AND a.created_at <= b.created_at
      AND b.created_at - a.created_at <= interval '10 minutes'
      AND (a.base = b.base OR b.stem = a.base)
      AND NOT EXISTS (
          SELECT FROM transactions AS r
          WHERE r.parent_transaction IN (a.transaction_id, b.transaction_id) AND r.parent_transaction > ''
            AND r.source = b.destination AND r.destination = b.source
      )
)
SELECT side.balance_id,
       format('Payments that look like one made twice: %%s.', count(DISTINCT p.second_id)) AS detail,
       array_agg(DISTINCT each.transaction_id) AS rows
FROM pairs AS p
CROSS JOIN LATERAL (VALUES (p.source), (p.destination)) AS side (balance_id)
CROSS JOIN LATERAL (VALUES (p.first_id), (p.second_id)) AS each (transaction_id)
WHERE side.balance_id > ''
GROUP BY side.balance_id
