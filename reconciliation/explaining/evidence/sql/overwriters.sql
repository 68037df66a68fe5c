-- Purpose: for each row, another row of the same balance, written within a second, that may have overwritten it there.
-- Parameters: balance_ids text[], transaction_ids text[], as many of each.
-- Columns: balance_id, transaction_id, overwriter, apart (interval).
-- A row between the same two balances is none: it would have overwritten both of them.
-- By the order of effective dates, which are those of writing unless a row was backdated; and, for those, by the order
-- of writing within a tenth of a second, of which at most 500 rows are looked at.
SELECT g.balance_id, g.transaction_id, n.transaction_id AS overwriter, n.apart
FROM unnest(%(balance_ids)s::text[], %(transaction_ids)s::text[]) AS g (balance_id, transaction_id)
JOIN /*dated*/transactions AS t ON t.transaction_id = g.transaction_id
CROSS JOIN LATERAL (
    SELECT near.transaction_id, greatest(near.created_at - t.created_at, t.created_at - near.created_at) AS apart
    FROM (
        (SELECT o.transaction_id, o.created_at, o.destination AS other FROM /*dated*/transactions AS o
         WHERE o.status = 'APPLIED' AND o.source = g.balance_id
           AND o.effective_date BETWEEN t.effective_date - interval '1 second' AND t.effective_date + interval '1 second'
         LIMIT 500)
        UNION ALL
        (SELECT o.transaction_id, o.created_at, o.source FROM /*dated*/transactions AS o
         WHERE o.status = 'APPLIED' AND o.destination = g.balance_id
           AND o.effective_date BETWEEN t.effective_date - interval '1 second' AND t.effective_date + interval '1 second'
         LIMIT 500)
        UNION ALL
        (SELECT o.transaction_id, o.created_at, CASE o.source WHEN g.balance_id THEN o.destination ELSE o.source END
         FROM (
             SELECT w.transaction_id, w.created_at, w.source, w.destination, w.status FROM /*dated*/transactions AS w
             WHERE w.created_at BETWEEN t.created_at - interval '100 milliseconds'
                                    AND t.created_at + interval '100 milliseconds'
             ORDER BY w.created_at DESC, hashtextextended(w.transaction_id, 0) DESC
             LIMIT 500
         ) AS o
         WHERE (o.source = g.balance_id OR o.destination = g.balance_id) AND o.status IN ('APPLIED', 'INFLIGHT', 'VOID'))
    ) AS near
    WHERE near.transaction_id <> t.transaction_id
      AND near.other IS DISTINCT FROM CASE t.source WHEN g.balance_id THEN t.destination ELSE t.source END
      AND near.created_at BETWEEN t.created_at - interval '1 second' AND t.created_at + interval '1 second'
    ORDER BY apart, near.transaction_id
    LIMIT 1
) AS n
