-- Purpose: find a staged row whose reference stands twice in one file, or in two files with other content.
-- Columns: reference, file_number, line; first_file and first_line, where it stands first. One row, or none.
WITH numbered AS (
    SELECT *, row_number() OVER (PARTITION BY reference ORDER BY file_number, line) AS place FROM staged_rows
)
SELECT later.reference, later.file_number, later.line, earlier.file_number AS first_file, earlier.line AS first_line
FROM numbered AS later
JOIN numbered AS earlier ON earlier.reference = later.reference AND earlier.place = 1
WHERE later.place > 1
  AND (later.file_number = earlier.file_number
       OR (later.parent_transaction, later.source, later.destination, later.amount, later.precise_amount,
           later.precision, later.currency, later.description, later.status, later.effective_date)
          IS DISTINCT FROM
          (earlier.parent_transaction, earlier.source, earlier.destination, earlier.amount, earlier.precise_amount,
           earlier.precision, earlier.currency, earlier.description, earlier.status, earlier.effective_date))
ORDER BY later.file_number, later.line
LIMIT 1
