-- Purpose: rows of one balance written within a span of time: where its drift began.
-- Parameters: balance_id text, after timestamptz or null, until timestamptz.
-- Columns: those of a row for people, the newest 50 of them.
SELECT t.transaction_id, t.reference, t.status, t.source, t.destination,
       minor_units(t.precise_amount, t.amount, t.precision) AS units, t.created_at
FROM (
    SELECT transaction_id FROM transactions WHERE status = 'APPLIED' AND source = %(balance_id)s
    UNION
    SELECT transaction_id FROM transactions WHERE status = 'APPLIED' AND destination = %(balance_id)s
    UNION
    SELECT transaction_id FROM transactions WHERE status IN ('INFLIGHT', 'VOID') AND source = %(balance_id)s
    UNION
    SELECT transaction_id FROM transactions WHERE status IN ('INFLIGHT', 'VOID') AND destination = %(balance_id)s
) AS own
JOIN transactions AS t ON t.transaction_id = own.transaction_id
WHERE t.created_at > coalesce(%(after)s::timestamptz, '-infinity') AND t.created_at <= %(until)s::timestamptz
ORDER BY t.created_at DESC, t.transaction_id DESC
LIMIT 50
