-- Purpose: drop the staged rows of an import, because another one may follow in the same database transaction.
DROP TABLE staged_rows
