-- Purpose: how many changes of transactions the guard has refused in this database, those in blocks rolled back included.
-- Columns: refused, bigint.
SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS refused FROM refused_transaction_changes
