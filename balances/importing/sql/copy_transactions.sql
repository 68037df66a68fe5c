-- Purpose: take in the transactions of an import, in the column order of importing/rows.py.
COPY transactions (
    transaction_id, parent_transaction, source, destination, reference,
    amount, precise_amount, precision, currency, description,
    status, hash, created_at, effective_date, meta_data
) FROM STDIN
