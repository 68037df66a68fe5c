-- Purpose: find the balances on which each of the last sweeps over them found unexplained drift.
-- Parameters: sweeps int (how many sweeps in a row), biggest int (balances to be named of each currency).
-- Columns: balance_id, indicator, ledger_name, currency, unexplained numeric (as the newest sweep found it),
--          currency_balances bigint and currency_unexplained numeric (of all such balances of the currency).
-- A sweep is over a balance when it has a finding on it, or when its scope says so; a scope with words that are not
-- read here is over what it has found only. Sweeps that could not judge a balance, or have not explained it yet, do not count for it: five times as
-- many of each scope are read as must agree. Of the many scopes there may be, the widest come first.
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
           jsonb_strip_nulls(scope) - '{everything,ledger,currency,indicator,indicator_prefix,balance_ids}'::text[] AS others
    FROM finished
    WHERE place <= 5 * %(sweeps)s
    ORDER BY covers_all DESC NULLS LAST, finished_at DESC
    LIMIT 1000
), suspects AS MATERIALIZED (
    SELECT DISTINCT ON (f.balance_id) f.balance_id, f.indicator, f.ledger_id, f.ledger_name, f.currency
    FROM recent JOIN reconciliation_finding AS f ON f.sweep_id = recent.sweep_id
    WHERE f.unexplained > 0
    ORDER BY f.balance_id, recent.finished_at DESC
), looks AS (
    SELECT s.balance_id, s.indicator, s.ledger_name, s.currency, coalesce(f.unexplained, 0) AS unexplained,
           row_number() OVER (PARTITION BY s.balance_id ORDER BY r.finished_at DESC, r.sweep_id DESC) AS place
    FROM suspects AS s
    CROSS JOIN recent AS r
    LEFT JOIN reconciliation_finding AS f ON f.sweep_id = r.sweep_id AND f.balance_id = s.balance_id
    WHERE CASE
        WHEN f.balance_id IS NOT NULL THEN
            f.unexplained > 0 OR (f.not_proved = '[]' AND (f.explained_at IS NOT NULL OR NOT f.drifted))
        ELSE r.others = '{}' AND (
            r.covers_all
            OR (
                (num_nonnulls(r.ledger, r.currency, r.indicator, r.prefix) > 0 OR r.ids <> '[]')
                AND (r.ledger IS NULL OR r.ledger IN (s.ledger_id, s.ledger_name))
                AND (r.currency IS NULL OR r.currency = s.currency)
                AND (r.indicator IS NULL OR r.indicator = s.indicator)
                AND (r.prefix IS NULL OR starts_with(s.indicator, r.prefix))
                AND (r.ids = '[]' OR r.ids ? s.balance_id)
            )
        )
    END
), lasting AS (
    SELECT balance_id, indicator, ledger_name, currency,
           max(unexplained) FILTER (WHERE place = 1) AS unexplained
    FROM looks
    WHERE place <= %(sweeps)s
    GROUP BY balance_id, indicator, ledger_name, currency
    HAVING count(*) = %(sweeps)s AND min(unexplained) > 0
), ranked AS (
    SELECT lasting.*,
           row_number() OVER (PARTITION BY currency ORDER BY unexplained DESC, balance_id) AS place,
           count(*) OVER (PARTITION BY currency) AS currency_balances,
           sum(unexplained) OVER (PARTITION BY currency) AS currency_unexplained
    FROM lasting
)
SELECT balance_id, indicator, ledger_name, currency, unexplained, currency_balances, currency_unexplained
FROM ranked
WHERE place <= %(biggest)s
ORDER BY currency, place
