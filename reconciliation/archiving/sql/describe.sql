-- Purpose: by DuckDB, what is in a file of legs. Parameters: file.
-- Columns: currency, side, legs, applied, inflight, first, last (instants in UTC), first_id, last_id, by currency and side.
SELECT currency, side, count(*) AS legs, sum(applied) AS applied, sum(inflight) AS inflight,
       min(instant) AS first, max(instant) AS last, min(transaction_id) AS first_id, max(transaction_id) AS last_id
FROM read_parquet($file)
GROUP BY currency, side
ORDER BY currency, side
