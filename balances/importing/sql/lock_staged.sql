-- Purpose: lock the balances of staged rows against other writers, in key order as every writer does.
-- Parameters: lock_wait text (a PostgreSQL interval), the limit for each lock.
-- Columns: balance_id, indicator, track_fund_lineage.
WITH named AS MATERIALIZED (SELECT source AS balance_id FROM staged_rows UNION SELECT destination FROM staged_rows)
SELECT b.balance_id, b.indicator, b.track_fund_lineage
FROM balances AS b
WHERE b.balance_id IN (SELECT balance_id FROM named)
  AND set_config('lock_timeout', %(lock_wait)s, true) IS NOT NULL
ORDER BY b.balance_id
FOR NO KEY UPDATE OF b
