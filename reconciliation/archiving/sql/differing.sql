-- Purpose: by DuckDB, balances of which a checkpoint says something else than what was carried, and how many there are.
-- Parameters: file. Columns: balance_id, balances.
SELECT balance_id, count(*) OVER () AS balances
FROM (
    SELECT DISTINCT balance_id
    FROM ((FROM carried_sums EXCEPT ALL FROM read_parquet($file))
          UNION ALL (FROM read_parquet($file) EXCEPT ALL FROM carried_sums)) AS either
)
ORDER BY balance_id
LIMIT 1
