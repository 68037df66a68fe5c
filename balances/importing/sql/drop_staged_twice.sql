-- Purpose: drop the later of staged rows that stand in several files with the same content.
-- Columns: dropped, how many they were.
WITH dropped AS (
    DELETE FROM staged_rows AS s
    USING staged_rows AS earlier
    WHERE earlier.reference = s.reference
      AND (earlier.file_number, earlier.line) < (s.file_number, s.line)
    RETURNING s.ctid
)
SELECT count(DISTINCT ctid) AS dropped FROM dropped
