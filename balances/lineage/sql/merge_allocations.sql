-- Purpose: write the providers that movements were paid from into their metadata, and into that of their children.
-- Parameters: ids text[] and for each allocations text[] (JSON). Columns: none.
-- Where a movement and its child are both given, the child keeps its own.
WITH given AS (
    SELECT * FROM unnest(%(ids)s::text[], %(allocations)s::text[]) AS g (id, allocation)
),
reached AS (
    SELECT t.transaction_id, g.allocation, true AS is_own
    FROM given AS g
    JOIN transactions AS t ON t.transaction_id = g.id
    UNION ALL
    SELECT t.transaction_id, g.allocation, false
    FROM given AS g
    JOIN transactions AS t ON t.parent_transaction = g.id AND t.parent_transaction > ''
),
chosen AS (
    SELECT DISTINCT ON (transaction_id) transaction_id, allocation
    FROM reached
    ORDER BY transaction_id, is_own DESC
)
UPDATE transactions AS t
SET meta_data = CASE WHEN jsonb_typeof(t.meta_data) = 'object' THEN t.meta_data ELSE '{}'::jsonb END
                || jsonb_build_object('BLNK_FUND_ALLOCATION', c.allocation::jsonb)
FROM chosen AS c
WHERE t.transaction_id = c.transaction_id
