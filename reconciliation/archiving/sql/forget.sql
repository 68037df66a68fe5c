-- Purpose: by DuckDB, carry nothing any more. Parameters: none.
DELETE FROM carried
