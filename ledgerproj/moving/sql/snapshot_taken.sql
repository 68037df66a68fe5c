-- Purpose: take the snapshot of this transaction, and say when. Parameters: none. Columns: taken_at timestamptz.
SELECT now() AS taken_at
