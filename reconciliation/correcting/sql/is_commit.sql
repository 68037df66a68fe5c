-- Purpose: whether a row settles a hold. Parameters: transaction_id text. Columns: is_commit boolean.
SELECT EXISTS (
    SELECT FROM settlements AS s WHERE s.transaction_id = %(transaction_id)s AND s.status = 'APPLIED'
) AS is_commit
