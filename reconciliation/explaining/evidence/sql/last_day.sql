-- Purpose: the applied rows of the last day (UTC) of each balance, thirteen of each side at most.
-- Parameters: balance_ids text[]. Columns: those of a row as one of its balances sees it; is_last_of_both: neither of
-- its balances has an applied row of a later day, each has another row, and none was counted since they came in.
SELECT g.balance_id, r.side, r.transaction_id, r.status,
       minor_units(r.precise_amount, r.amount, r.precision) AS units,
       r.precision, r.reference,
       CASE r.side WHEN 'debit' THEN r.destination ELSE r.source END AS other, r.created_at,
       false AS is_commit, false AS has_children, 1 AS twins,
       NOT EXISTS (
           SELECT FROM unnest(ARRAY[r.source, r.destination]) AS e (balance_id)
           LEFT JOIN balances AS b ON b.balance_id = e.balance_id
           WHERE b.version IS DISTINCT FROM 1
              OR EXISTS (
                  SELECT FROM /*dated*/transactions AS t
                  WHERE t.status = 'APPLIED' AND t.source = e.balance_id
                    AND t.effective_date >= day.began + interval '1 day'
              )
              OR EXISTS (
                  SELECT FROM /*dated*/transactions AS t
                  WHERE t.status = 'APPLIED' AND t.destination = e.balance_id
                    AND t.effective_date >= day.began + interval '1 day'
              )
              OR NOT EXISTS (
                  SELECT FROM /*dated*/transactions AS t
                  WHERE t.status = 'APPLIED' AND t.source = e.balance_id AND t.transaction_id <> r.transaction_id
              )
              AND NOT EXISTS (
                  SELECT FROM /*dated*/transactions AS t
                  WHERE t.status = 'APPLIED' AND t.destination = e.balance_id AND t.transaction_id <> r.transaction_id
              )
       ) AS is_last_of_both
FROM unnest(%(balance_ids)s::text[]) AS g (balance_id)
CROSS JOIN LATERAL (
    SELECT date_trunc('day', greatest(
        (SELECT max(t.effective_date) FROM /*dated*/transactions AS t WHERE t.status = 'APPLIED' AND t.source = g.balance_id),
        (SELECT max(t.effective_date) FROM /*dated*/transactions AS t WHERE t.status = 'APPLIED' AND t.destination = g.balance_id)
    ), 'UTC') AS began
) AS day
CROSS JOIN LATERAL (
    (SELECT 'debit' AS side, t.* FROM /*dated*/transactions AS t
     WHERE t.status = 'APPLIED' AND t.source = g.balance_id AND t.effective_date >= day.began
     ORDER BY t.effective_date DESC LIMIT 13)
    UNION ALL
    (SELECT 'credit', t.* FROM /*dated*/transactions AS t
     WHERE t.status = 'APPLIED' AND t.destination = g.balance_id AND t.effective_date >= day.began
     ORDER BY t.effective_date DESC LIMIT 13)
) AS r
ORDER BY g.balance_id, r.effective_date DESC, r.transaction_id
