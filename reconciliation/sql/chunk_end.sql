-- Purpose: the last key of the next chunk of balances.
-- Parameters: after text, size integer. Columns: through text (NULL when no balance follows), balances integer.
SELECT max(balance_id) AS through, count(*)::integer AS balances
FROM (SELECT balance_id FROM balances WHERE balance_id > %(after)s ORDER BY balance_id LIMIT %(size)s) AS chunk
