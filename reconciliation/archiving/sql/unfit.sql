-- Purpose: legs of a time that an archive cannot hold exactly: no whole number of at most 38 digits.
-- Parameters: since, until timestamptz (until not included). Columns: transaction_id; legs, how many there are in all.
SELECT transaction_id, count(*) OVER () AS legs
FROM legs
WHERE created_at >= %(since)s AND created_at < %(until)s
  AND (abs(applied) + abs(inflight) < 1e38 AND trunc(applied) = applied AND trunc(inflight) = inflight) IS NOT TRUE
ORDER BY transaction_id
LIMIT 1
