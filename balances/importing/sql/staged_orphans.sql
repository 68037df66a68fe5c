-- Purpose: find a staged row whose parent is neither staged nor in the database; an entry is a parent without a row.
-- Columns: file_number, line; parent, the reference that it names. One row, or none.
SELECT s.file_number, s.line, s.parent_reference AS parent
FROM staged_rows AS s
WHERE s.parent_reference > ''
  AND NOT EXISTS (SELECT FROM staged_rows AS p WHERE p.transaction_id = s.parent_transaction)
  AND NOT EXISTS (SELECT FROM transactions AS t WHERE t.transaction_id = s.parent_transaction)
ORDER BY s.file_number, s.line
LIMIT 1
