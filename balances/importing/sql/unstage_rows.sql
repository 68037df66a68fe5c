-- Purpose: drop the staged rows of an import, for another one may follow in the same database transaction.
DROP TABLE staged_rows
