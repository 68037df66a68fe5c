-- Purpose: Two transactions have the same reference
-- Description: A reference stands for one movement, so that it is recorded once however often it is sent. Two rows of one
--   reference are most likely one movement that was recorded twice. The database of this product refuses that; a
--   foreign one may not.
-- Verdict: fault
-- Runs: deep
WITH twice AS (
    SELECT reference FROM transactions WHERE reference > '' GROUP BY reference HAVING count(*) > 1
)
SELECT side.balance_id,
       format('Rows whose reference another row has as well: %%s.', count(DISTINCT t.transaction_id)) AS detail,
       array_agg(DISTINCT t.transaction_id) AS rows
FROM twice AS d
JOIN transactions AS t ON t.reference = d.reference
CROSS JOIN LATERAL (VALUES (t.source), (t.destination)) AS side (balance_id)
WHERE side.balance_id > ''
GROUP BY side.balance_id
