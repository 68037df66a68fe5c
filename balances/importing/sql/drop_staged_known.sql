-- Purpose: drop the staged rows whose references are in the database already.
-- Columns: dropped, how many they were.
WITH dropped AS (
    DELETE FROM staged_rows AS s
    USING transactions AS t
    WHERE t.reference = s.reference
    RETURNING 1
)
SELECT count(*) AS dropped FROM dropped
