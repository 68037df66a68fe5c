-- Purpose: a temporary table for the rows of an import, each with its file and line.
CREATE TEMPORARY TABLE staged_rows (
    LIKE transactions,
    parent_reference text NOT NULL,
    file_number int NOT NULL,
    line bigint NOT NULL
) ON COMMIT DROP
