-- Purpose: the sums of the legs in Parquet files, by DuckDB, in key order.
-- Parameters: files text[]; balance_ids text[] or NULL for all; until timestamp in UTC or NULL, not included.
-- Columns: those of ``Sums``.
FROM sums_of($files, $balance_ids, $until) ORDER BY balance_id
