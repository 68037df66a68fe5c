-- Purpose: by DuckDB, the sums of a checkpoint in key order. Parameters: file. Columns: those of ``Sums``.
FROM read_parquet($file) ORDER BY balance_id
