-- Purpose: rows as their children see them, by id (docs/design/reconstruction.md, "What a balance ought to be").
-- Parameters: ids text[]. Columns: transaction_id, status, reference; has_hold boolean: of a waiting row, whether a hold
-- came from it.
SELECT t.transaction_id, t.status, t.reference,
       t.status IN ('QUEUED', 'SCHEDULED') AND EXISTS (
           SELECT FROM transactions AS h
           WHERE h.parent_transaction = t.transaction_id AND h.parent_transaction > '' AND h.status = 'INFLIGHT'
       ) AS has_hold
FROM transactions AS t
WHERE t.transaction_id = ANY(%(ids)s::text[])
