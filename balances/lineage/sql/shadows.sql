-- Purpose: the shadow rows of movements, oldest first, without their settlements.
-- Parameters: ids text[], of movements. Columns: main, the movement; transaction_id, reference, units, source, destination, is_hold.
SELECT t.meta_data->>'_shadow_for' AS main, t.transaction_id, t.reference, t.precise_amount AS units,
       t.source, t.destination, t.status = 'INFLIGHT' AS is_hold
FROM transactions AS t
WHERE t.meta_data->>'_shadow_for' = ANY(%(ids)s::text[]) AND coalesce(t.parent_transaction, '') = ''
ORDER BY t.created_at, t.transaction_id
