-- Purpose: let all statements of this transaction see one snapshot; it must be the first of them.
-- Parameters: none. Columns: none.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY
