-- Purpose: the first applied row of a balance after an instant.
-- Parameters: balance_ids text[], instants timestamptz[], as many of each.
-- Columns: balance_id, instant, transaction_id.
SELECT g.balance_id, g.instant, n.transaction_id
FROM unnest(%(balance_ids)s::text[], %(instants)s::timestamptz[]) AS g (balance_id, instant)
CROSS JOIN LATERAL (
    SELECT either.transaction_id
    FROM (
        (SELECT t.transaction_id, t.effective_date FROM /*dated*/transactions AS t
         WHERE t.status = 'APPLIED' AND t.source = g.balance_id AND t.effective_date >= g.instant
         ORDER BY t.effective_date LIMIT 1)
        UNION ALL
        (SELECT t.transaction_id, t.effective_date FROM /*dated*/transactions AS t
         WHERE t.status = 'APPLIED' AND t.destination = g.balance_id AND t.effective_date >= g.instant
         ORDER BY t.effective_date LIMIT 1)
    ) AS either
    ORDER BY either.effective_date
    LIMIT 1
) AS n
