-- Purpose: stage the transactions of an import, in the column order of importing/rows.py and importing/adding.py.
COPY staged_rows (
    transaction_id, parent_transaction, source, destination, reference,
    amount, precise_amount, precision, currency, description,
    status, hash, created_at, effective_date, meta_data,
    parent_reference, file_number, line
) FROM STDIN
