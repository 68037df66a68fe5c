-- Purpose: the identities that own the aggregate balances with some names.
-- Parameters: indicators, currencies text[] of equal length. Columns: indicator, currency, identity_id.
SELECT DISTINCT b.indicator, b.currency, m.identity_id
FROM unnest(%(indicators)s::text[], %(currencies)s::text[]) AS w (indicator, currency)
JOIN balances AS b ON b.indicator = w.indicator AND b.currency = w.currency
JOIN lineage_mappings AS m ON m.aggregate_balance_id = b.balance_id
