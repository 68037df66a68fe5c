-- Purpose: the legs of a time, as text that DuckDB reads. Parameters: since, until timestamptz (until not included).
-- Columns: those of load.sql; the instant in UTC; of the reference the first 16 bytes of its SHA-256.
COPY (
    SELECT balance_id, side, kind, applied, inflight, coalesce(currency, ''),
           to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), transaction_id,
           left(encode(sha256(convert_to(reference, 'UTF8')), 'hex'), 32)
    FROM legs
    WHERE created_at >= %(since)s AND created_at < %(until)s
) TO STDOUT (FORMAT csv)
