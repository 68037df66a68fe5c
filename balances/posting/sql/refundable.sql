-- Purpose: the rows that a refund of an id gives back: applied rows at or under it, and the releases of a hold.
-- Parameters: id text: a transaction, a split parent or a batch.
-- Columns: the row; refunded numeric: what its refunds gave back or will give back, in minor units; next_number int: that
-- of the next refund whose reference is free. Newest first; legs of one split share an instant, and come last one first.
-- The children of an applied row are its refunds, which are not refunded in turn.
-- UNION, not UNION ALL, above the last SELECT: in a damaged database, parents may form a circle, which it would follow
-- without end.
WITH RECURSIVE under AS (
    SELECT t.*
    FROM transactions AS t
    WHERE t.transaction_id = %(id)s
    UNION ALL
    (
        SELECT c.*
        FROM transactions AS c
        WHERE c.parent_transaction = %(id)s AND c.parent_transaction > ''
          AND NOT EXISTS (SELECT FROM transactions AS own WHERE own.transaction_id = %(id)s)
    )
    UNION
    SELECT c.*
    FROM under AS u
    JOIN transactions AS c ON c.parent_transaction = u.transaction_id AND c.parent_transaction > ''
    WHERE u.status IN ('QUEUED', 'SCHEDULED', 'INFLIGHT')
)
SELECT u.*, given.refunded, free.next_number
FROM under AS u
CROSS JOIN LATERAL (
    SELECT coalesce(sum(minor_units(r.precise_amount, r.amount, r.precision)) FILTER (
               WHERE r.status <> 'REJECTED' AND NOT EXISTS (
                   SELECT FROM transactions AS q
                   WHERE q.parent_transaction = r.transaction_id AND q.parent_transaction > '' AND q.status = 'REJECTED'
               )
           ), 0) AS refunded,
           count(*) AS refunds
    FROM transactions AS r
    WHERE r.parent_transaction = u.transaction_id AND r.parent_transaction > ''
      AND r.source = u.destination AND r.destination = u.source
) AS given
CROSS JOIN LATERAL (
    SELECT n AS next_number
    FROM generate_series(given.refunds + 1, given.refunds + 1000) AS n
    WHERE NOT EXISTS (
        SELECT FROM transactions AS t
        WHERE t.reference = ANY(ARRAY(
            SELECT u.transaction_id || '_refund' || CASE WHEN n > 1 THEN '_' || n ELSE '' END || suffix
            FROM unnest(ARRAY['', '_q']) AS suffix
        ))
    )
    LIMIT 1
) AS free
WHERE u.status = 'APPLIED' OR (u.status = 'VOID' AND u.parent_transaction = %(id)s)
ORDER BY u.created_at DESC,
         CASE WHEN jsonb_typeof(u.meta_data -> 'sequence') = 'number' THEN (u.meta_data ->> 'sequence')::numeric END
         DESC NULLS LAST,
         length(u.reference) DESC, u.reference DESC, u.transaction_id DESC
