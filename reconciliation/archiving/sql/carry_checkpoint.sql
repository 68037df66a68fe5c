-- Purpose: by DuckDB, carry forward an earlier checkpoint. Parameters: file.
INSERT INTO carried FROM read_parquet($file)
