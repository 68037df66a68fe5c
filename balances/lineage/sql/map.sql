-- Purpose: write down which balances keep what tracked balances have of providers, in order.
-- Parameters: an array for each column, as many each. Columns: none. What is mapped already stays as it is.
INSERT INTO lineage_mappings (balance_id, provider, shadow_balance_id, aggregate_balance_id, identity_id, created_at)
SELECT n.balance_id, n.provider, n.shadow_balance_id, n.aggregate_balance_id, n.identity_id, now()
FROM unnest(
    %(balance_id)s::text[], %(provider)s::text[], %(shadow_balance_id)s::text[], %(aggregate_balance_id)s::text[],
    %(identity_id)s::text[]
) WITH ORDINALITY AS n (balance_id, provider, shadow_balance_id, aggregate_balance_id, identity_id, place)
ORDER BY n.place
ON CONFLICT (balance_id, provider) DO NOTHING
