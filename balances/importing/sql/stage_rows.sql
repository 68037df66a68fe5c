-- Purpose: a table beside transactions for the rows of an import, with where each stands, until the end of the import.
CREATE TEMPORARY TABLE staged_rows (
    LIKE transactions,
    parent_reference text NOT NULL,
    file_number int NOT NULL,
    line bigint NOT NULL
) ON COMMIT DROP
