-- Purpose: balances that track their funds, with their identities and mappings.
-- Parameters: ids text[].
-- Columns: balance_id, currency, allocation_strategy; identity_id, first_name, last_name, organization_name, NULL where
-- it has no identity; provider, shadow_balance_id, aggregate_balance_id of each mapping, NULL where there is none yet.
-- One row for each mapping, oldest first.
SELECT b.balance_id, b.currency, b.allocation_strategy,
       i.identity_id, i.first_name, i.last_name, i.organization_name,
       m.provider, m.shadow_balance_id, m.aggregate_balance_id
FROM balances AS b
LEFT JOIN identity AS i ON i.identity_id = b.identity_id
LEFT JOIN lineage_mappings AS m ON m.balance_id = b.balance_id
WHERE b.balance_id = ANY(%(ids)s::text[])
ORDER BY m.created_at, m.id
