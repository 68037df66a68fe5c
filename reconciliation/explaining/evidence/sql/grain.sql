-- Purpose: how finely the amounts of balances are written: for rounding and rates.
-- Parameters: balance_ids text[]; other_currencies text[]: those whose credits from other currencies are summed.
-- Columns: balance_id, row_count, not_tens, not_hundreds, precision, fractional: rows whose amount has a fraction of a
-- minor unit; rows: up to 20 of these; contradicting: rows whose amount differs otherwise, which no rounding does;
-- other_currency: JSON of units, row_count, currencies, rows of credits out of other currencies.
-- It reads all rows of the balances: only for those whose drift is small, or in credits alone.
SELECT g.balance_id, amounts.row_count, amounts.not_tens, amounts.not_hundreds, amounts.precision,
       amounts.fractional, amounts.contradicting, amounts.rows, other.sums::text AS other_currency
FROM unnest(%(balance_ids)s::text[]) AS g (balance_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS row_count, count(*) FILTER (WHERE t.precise_amount %% 10 <> 0) AS not_tens,
           count(*) FILTER (WHERE t.precise_amount %% 100 <> 0) AS not_hundreds, max(t.precision) AS precision,
           count(*) FILTER (WHERE t.exact %% 1 <> 0 AND abs(t.exact - t.precise_amount) < 1) AS fractional,
           count(*) FILTER (WHERE abs(t.exact - t.precise_amount) >= 1) AS contradicting,
           (array_agg(t.transaction_id ORDER BY t.created_at DESC)
               FILTER (WHERE t.exact %% 1 <> 0 AND abs(t.exact - t.precise_amount) < 1))[1:20] AS rows
    FROM (
        SELECT d.precise_amount, round(d.amount * d.precision, 6) AS exact, d.precision, d.transaction_id, d.created_at
        FROM transactions AS d WHERE d.status = 'APPLIED' AND d.source = g.balance_id
        UNION ALL
        SELECT c.precise_amount, round(c.amount * c.precision, 6), c.precision, c.transaction_id, c.created_at
        FROM transactions AS c WHERE c.status = 'APPLIED' AND c.destination = g.balance_id
    ) AS t
) AS amounts
CROSS JOIN LATERAL (
    SELECT jsonb_build_object(
               'units', sum(t.precise_amount), 'row_count', count(*), 'currencies', string_agg(DISTINCT s.currency, ', '),
               'rows', to_jsonb((array_agg(t.transaction_id ORDER BY t.created_at DESC))[1:20])) AS sums
    FROM transactions AS t
    JOIN balances AS s ON s.balance_id = t.source
    JOIN balances AS own ON own.balance_id = g.balance_id
    WHERE g.balance_id = ANY (%(other_currencies)s::text[])
      AND t.status = 'APPLIED' AND t.destination = g.balance_id AND s.currency <> own.currency
) AS other
