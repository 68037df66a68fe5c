-- Purpose: find the precision of each currency in a ledger, by the newest row of one of its balances that has rows.
-- Parameters: ledger_id text. Columns: currency, precision.
SELECT DISTINCT ON (b.currency) b.currency, newest.precision
FROM balances AS b
CROSS JOIN LATERAL (
    (SELECT t.precision, t.created_at FROM transactions AS t
     WHERE hashtextextended(t.source, 0) = hashtextextended(b.balance_id, 0) AND t.source = b.balance_id
     ORDER BY t.created_at DESC LIMIT 1)
    UNION ALL
    (SELECT t.precision, t.created_at FROM transactions AS t
     WHERE hashtextextended(t.destination, 0) = hashtextextended(b.balance_id, 0) AND t.destination = b.balance_id
     ORDER BY t.created_at DESC LIMIT 1)
) AS newest
WHERE b.ledger_id = %(ledger_id)s AND newest.precision IS NOT NULL
ORDER BY b.currency, newest.created_at DESC
