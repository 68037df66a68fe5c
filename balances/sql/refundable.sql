-- Purpose: what a refund of an id gives back: applied rows at or under it, and the releases of a hold (transactions 8.2).
-- Parameters: id text: a transaction, a split parent or a batch.
-- Columns: the row; is_refunded boolean. Newest first; legs of one split, which are of one instant, last one first.
-- What hangs under an applied row is its refund, and not refunded too.
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
    UNION ALL
    SELECT c.*
    FROM under AS u
    JOIN transactions AS c ON c.parent_transaction = u.transaction_id AND c.parent_transaction > ''
    WHERE u.status IN ('QUEUED', 'SCHEDULED', 'INFLIGHT')
)
SELECT u.*,
       EXISTS (
           SELECT FROM transactions AS r
           WHERE r.parent_transaction = u.transaction_id AND r.parent_transaction > ''
             AND r.source = u.destination AND r.destination = u.source
       ) AS is_refunded
FROM under AS u
WHERE u.status = 'APPLIED' OR (u.status = 'VOID' AND u.parent_transaction = %(id)s)
ORDER BY u.created_at DESC, length(u.reference) DESC, u.reference DESC, u.transaction_id DESC
