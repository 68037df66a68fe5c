-- Purpose: A transaction names a balance that is not there
-- Description: Every movement leaves one balance and enters another. Where one of the two is gone from the database, or
--   was never named, its money has left the books: the finding is on the balance that is gone, or on the other one
--   where none is named.
-- Verdict: fault
-- Runs: deep
WITH ends AS (
    SELECT t.transaction_id, nullif(side.balance_id, '') AS named, nullif(side.other, '') AS other
    FROM transactions AS t
    CROSS JOIN LATERAL (VALUES (t.source, t.destination), (t.destination, t.source)) AS side (balance_id, other)
    LEFT JOIN balances AS b ON b.balance_id = side.balance_id
    WHERE t.status IN ('APPLIED', 'INFLIGHT', 'VOID') AND b.balance_id IS NULL
),
found AS (
    SELECT coalesce(named, other, '(no balance)') AS balance_id, named IS NOT NULL AS is_named, count(*) AS row_count,
           (array_agg(transaction_id ORDER BY transaction_id))[1:20] AS rows
    FROM ends
    GROUP BY 1, 2
)
SELECT f.balance_id,
       CASE WHEN f.is_named THEN format('The balance is gone, and transactions name it: %%s.', f.row_count)
            ELSE format('Transactions without a source or without a destination: %%s.', f.row_count) END
       || coalesce((
              SELECT format(' It was deleted by database user %%s on %%s UTC.', e.database_user,
                            to_char(max(e.edited_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
              FROM reconciliation_balanceedit AS e
              WHERE f.is_named AND e.balance_id = f.balance_id AND e.operation = 'DELETE'
              GROUP BY e.database_user ORDER BY max(e.edited_at) DESC LIMIT 1
          ), '') AS detail,
       f.rows
FROM found AS f
ORDER BY f.balance_id
