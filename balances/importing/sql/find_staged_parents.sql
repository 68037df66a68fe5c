-- Purpose: let staged rows name parents that are in the database by whatever id they have there: the id that follows
-- from a reference is only that of an imported row.
UPDATE staged_rows AS s
SET parent_transaction = t.transaction_id
FROM transactions AS t
WHERE s.parent_reference > '' AND t.reference = s.parent_reference AND t.transaction_id <> s.parent_transaction
