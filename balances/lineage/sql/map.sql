-- Purpose: record, in order, which balances hold the money that tracked balances have of providers.
-- Parameters: an array of equal length for each column. Columns: none. Existing mappings stay as they are.
INSERT INTO lineage_mappings (balance_id, provider, shadow_balance_id, aggregate_balance_id, identity_id, created_at)
SELECT n.balance_id, n.provider, n.shadow_balance_id, n.aggregate_balance_id, n.identity_id, now()
FROM unnest(
    %(balance_id)s::text[], %(provider)s::text[], %(shadow_balance_id)s::text[], %(aggregate_balance_id)s::text[],
    %(identity_id)s::text[]
) WITH ORDINALITY AS n (balance_id, provider, shadow_balance_id, aggregate_balance_id, identity_id, place)
ORDER BY n.place
ON CONFLICT (balance_id, provider) DO NOTHING
