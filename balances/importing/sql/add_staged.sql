-- Purpose: write the staged rows.
-- Columns: added, how many they were.
WITH added AS (
    INSERT INTO transactions (
        transaction_id, parent_transaction, source, destination, reference,
        amount, precise_amount, precision, currency, description,
        status, hash, created_at, effective_date, meta_data
    )
    SELECT transaction_id, parent_transaction, source, destination, reference,
           amount, precise_amount, precision, currency, description,
           status, hash, created_at, effective_date, meta_data
    FROM staged_rows
    RETURNING 1
)
SELECT count(*) AS added FROM added
