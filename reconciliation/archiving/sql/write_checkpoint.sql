-- Purpose: by DuckDB, write what was carried as a checkpoint, in key order. Parameters: file.
COPY (FROM carried_sums ORDER BY balance_id) TO $file (FORMAT parquet, COMPRESSION zstd)
