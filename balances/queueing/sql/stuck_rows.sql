-- Purpose: find queued transactions without an outcome, oldest first.
-- Parameters: before timestamptz, created earlier than that; size int. Columns: the row.
-- Left out are those of an import that were brought over as they are (docs/import.md); only its rows have a number.
-- For calls by hand and every half hour: it reads the partial index of all rows that were ever queued.
SELECT q.*
FROM transactions AS q
WHERE q.status = 'QUEUED' AND q.created_at < %(before)s
  AND NOT EXISTS (
      SELECT FROM transactions AS c
      WHERE c.parent_transaction = q.transaction_id AND c.parent_transaction > ''
  )
  AND NOT (EXISTS (SELECT FROM uploads_blnkimport WHERE waiting = 'keep') AND to_jsonb(q) ->> 'number' IS NOT NULL)
ORDER BY q.created_at, q.transaction_id
LIMIT %(size)s
