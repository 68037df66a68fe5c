-- Purpose: find the balances on which each of the last sweeps over them found unexplained drift.
-- Parameters: sweeps int (how many sweeps in a row), biggest int (balances to be named of each currency).
-- Columns: balance_id, indicator, ledger_name, currency, unexplained numeric (as the newest sweep found it),
--          currency_balances bigint and currency_unexplained numeric (of all such balances of the currency).
-- A sweep is over a balance when it has a finding on it, or when its scope says so; a scope with words that are not
-- read here is over what it has found only. Sweeps that could not judge a balance, or have not explained it yet, do
-- not count for it: five times as many of each scope are read as must agree. Lists of balances are joined by id, so
-- that only the few wider scopes meet every suspect.
WITH finished AS (
    SELECT s.sweep_id, s.scope, s.finished_at,
           row_number() OVER (PARTITION BY s.scope ORDER BY s.finished_at DESC, s.sweep_id DESC) AS place
    FROM reconciliation_sweep AS s
    WHERE s.state = 'finished'
), recent AS MATERIALIZED (
    SELECT sweep_id, finished_at,
           scope ->> 'everything' = 'true' AS covers_all,
           nullif(scope ->> 'ledger', '') AS ledger,
           nullif(scope ->> 'currency', '') AS currency,
           nullif(scope ->> 'indicator', '') AS indicator,
           nullif(scope ->> 'indicator_prefix', '') AS prefix,
           CASE WHEN jsonb_typeof(scope -> 'balance_ids') = 'array' THEN scope -> 'balance_ids' ELSE '[]' END AS ids,
           jsonb_strip_nulls(scope) - '{everything,ledger,currency,indicator,indicator_prefix,balance_ids}'::text[]
               = '{}' AS is_read
    FROM finished
    WHERE place <= 5 * %(sweeps)s
), found AS MATERIALIZED (
    SELECT f.balance_id, f.indicator, f.ledger_id, f.ledger_name, f.currency, f.unexplained,
           f.unexplained > 0 OR (f.not_proved = '[]' AND (f.explained_at IS NOT NULL OR NOT f.drifted)) AS is_judged,
           r.sweep_id, r.finished_at
    FROM recent AS r JOIN reconciliation_finding AS f ON f.sweep_id = r.sweep_id
), suspects AS MATERIALIZED (
    SELECT DISTINCT ON (balance_id) balance_id, indicator, ledger_id, ledger_name, currency
    FROM (SELECT *, count(*) OVER (PARTITION BY balance_id) AS times FROM found WHERE unexplained > 0) AS unexplained
    WHERE times >= %(sweeps)s
    ORDER BY balance_id, finished_at DESC
), covered AS (
    SELECT s.balance_id, r.sweep_id, r.finished_at
    FROM recent AS r JOIN suspects AS s ON r.covers_all OR (
        num_nonnulls(r.ledger, r.currency, r.indicator, r.prefix) > 0
        AND (r.ledger IS NULL OR r.ledger IN (s.ledger_id, s.ledger_name))
        AND (r.currency IS NULL OR r.currency = s.currency)
        AND (r.indicator IS NULL OR r.indicator = s.indicator)
        AND (r.prefix IS NULL OR starts_with(s.indicator, r.prefix))
    )
    WHERE r.is_read AND r.ids = '[]'
    UNION ALL
    SELECT s.balance_id, r.sweep_id, r.finished_at
    FROM recent AS r
    CROSS JOIN LATERAL jsonb_array_elements_text(r.ids) AS listed (balance_id)
    JOIN suspects AS s ON s.balance_id = listed.balance_id
    WHERE r.is_read
), looks AS (
    SELECT balance_id, unexplained, sweep_id, finished_at
    FROM found
    WHERE is_judged
    UNION ALL
    SELECT c.balance_id, 0, c.sweep_id, c.finished_at
    FROM covered AS c
    WHERE NOT EXISTS (SELECT FROM found AS f WHERE f.sweep_id = c.sweep_id AND f.balance_id = c.balance_id)
), ordered AS (
    SELECT balance_id, unexplained,
           row_number() OVER (PARTITION BY balance_id ORDER BY finished_at DESC, sweep_id DESC) AS place
    FROM looks
), lasting AS (
    SELECT balance_id, max(unexplained) FILTER (WHERE place = 1) AS unexplained
    FROM ordered
    WHERE place <= %(sweeps)s
    GROUP BY balance_id
    HAVING count(*) = %(sweeps)s AND min(unexplained) > 0
), ranked AS (
    SELECT balance_id, s.indicator, s.ledger_name, s.currency, lasting.unexplained,
           row_number() OVER (PARTITION BY s.currency ORDER BY lasting.unexplained DESC, balance_id) AS place,
           count(*) OVER (PARTITION BY s.currency) AS currency_balances,
           sum(lasting.unexplained) OVER (PARTITION BY s.currency) AS currency_unexplained
    FROM lasting JOIN suspects AS s USING (balance_id)
)
SELECT balance_id, indicator, ledger_name, currency, unexplained, currency_balances, currency_unexplained
FROM ranked
WHERE place <= %(biggest)s
ORDER BY currency, place
