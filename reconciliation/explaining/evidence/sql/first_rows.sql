-- Purpose: when balances were opened, and their first applied row.
-- Parameters: balance_ids text[]. Columns: balance_id, opened_at, first_at (null without rows).
-- The first row is the first entry of each side in the covering indexes.
SELECT b.balance_id, b.created_at AS opened_at,
       least(
           (SELECT min(t.effective_date) FROM /*dated*/transactions AS t
            WHERE t.status = 'APPLIED' AND t.source = b.balance_id),
           (SELECT min(t.effective_date) FROM /*dated*/transactions AS t
            WHERE t.status = 'APPLIED' AND t.destination = b.balance_id)
       ) AS first_at
FROM balances AS b
WHERE b.balance_id = ANY(%(balance_ids)s::text[])
