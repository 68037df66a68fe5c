-- Purpose: merge new keys into the metadata of a transaction and of its children, one level deep.
-- Parameters: transaction_id text, meta_data text (JSON object). Columns: transaction_id of each row changed.
UPDATE transactions
SET meta_data = CASE WHEN jsonb_typeof(meta_data) = 'object' THEN meta_data ELSE '{}'::jsonb END
                || %(meta_data)s::jsonb
WHERE transaction_id = %(transaction_id)s
   OR (parent_transaction = %(transaction_id)s AND parent_transaction > '')
RETURNING transaction_id
