-- Purpose: by DuckDB, which ranges have legs in a month. Parameters: none. Columns: hash_range.
SELECT DISTINCT hash_range FROM month_legs ORDER BY hash_range
