-- Purpose: the last key of the next chunk of balances.
-- Parameters: after text, size integer, started_at timestamptz. Columns: through text (NULL when no balance follows),
-- balances integer: those that were there before the sweep began; the others are measured at its end. looked_at
-- timestamptz: an instant before they are measured.
SELECT max(balance_id) AS through, count(*) FILTER (WHERE created_at < %(started_at)s)::integer AS balances,
       statement_timestamp() AS looked_at
FROM (
    SELECT balance_id, created_at FROM balances WHERE balance_id > %(after)s ORDER BY balance_id LIMIT %(size)s
) AS chunk
