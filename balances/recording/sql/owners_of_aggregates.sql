-- Purpose: whose the aggregates are that bear some names.
-- Parameters: indicators text[] and currencies text[], as many. Columns: indicator, currency, identity_id.
SELECT DISTINCT b.indicator, b.currency, m.identity_id
FROM unnest(%(indicators)s::text[], %(currencies)s::text[]) AS w (indicator, currency)
JOIN balances AS b ON b.indicator = w.indicator AND b.currency = w.currency
JOIN lineage_mappings AS m ON m.aggregate_balance_id = b.balance_id
