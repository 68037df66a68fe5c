-- Purpose: by DuckDB, write the legs of a range, sorted by balance. Parameters: file; hash_range.
COPY (
    SELECT balance, side, kind, applied, inflight, currency, instant, transaction_id, reference
    FROM month_legs
    WHERE hash_range = $hash_range
    ORDER BY balance, instant, transaction_id, side
) TO $file (FORMAT parquet, COMPRESSION zstd)
