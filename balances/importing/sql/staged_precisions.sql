-- Purpose: find a staged row whose precision is not that of the other rows in its currency: of those staged with it,
-- and of the newest row on each side of its balances.
-- Columns: file_number, line, currency, precision; other, the precision that it should have. One row, or none.
WITH places AS (
    SELECT DISTINCT ON (side.balance_id, s.precision)
        side.balance_id, s.currency, s.precision, s.file_number, s.line
    FROM staged_rows AS s
    CROSS JOIN LATERAL (VALUES (s.source), (s.destination)) AS side (balance_id)
    ORDER BY side.balance_id, s.precision, s.file_number, s.line
),
others AS (
    SELECT p.file_number, p.line, p.currency, p.precision,
           first_value(p.precision) OVER (PARTITION BY p.currency ORDER BY p.file_number, p.line) AS other
    FROM places AS p
    UNION ALL
    SELECT p.file_number, p.line, p.currency, p.precision, stored.precision
    FROM places AS p
    CROSS JOIN LATERAL (
        (SELECT t.precision FROM transactions AS t
         WHERE hashtextextended(t.source, 0) = hashtextextended(p.balance_id, 0) AND t.source = p.balance_id
         ORDER BY t.created_at DESC LIMIT 1)
        UNION ALL
        (SELECT t.precision FROM transactions AS t
         WHERE hashtextextended(t.destination, 0) = hashtextextended(p.balance_id, 0) AND t.destination = p.balance_id
         ORDER BY t.created_at DESC LIMIT 1)
    ) AS stored
)
SELECT file_number, line, currency, precision, other
FROM others
WHERE precision IS DISTINCT FROM other
ORDER BY file_number, line
LIMIT 1
