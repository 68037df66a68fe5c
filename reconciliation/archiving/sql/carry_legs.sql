-- Purpose: by DuckDB, carry forward the sums of legs. Parameters: files.
INSERT INTO carried FROM sums_of($files, NULL, NULL)
