-- Purpose: A transaction has a date that is far off
-- Description: A date beyond the next year, or one before its ledger began while nearly all others came after that, is often
--   a slip of the pen. Balances at an instant and reports by date follow it.
-- Verdict: remark
-- Runs: deep
-- A ledger began with its oldest balance. Where more than one row in a hundred is older, history was brought along.
WITH began AS (
    SELECT b.ledger_id, least(min(l.created_at), min(b.created_at)) AS at
    FROM balances AS b
    LEFT JOIN ledgers AS l ON l.ledger_id = b.ledger_id
    GROUP BY b.ledger_id
),
marked AS MATERIALIZED (
    SELECT t.transaction_id, t.source, t.destination, s.ledger_id,
           coalesce(t.effective_date, t.created_at) < g.at - interval '1 day' AS before,
           coalesce(t.effective_date, t.created_at) >= date_trunc('year', now()) + interval '2 years' AS beyond
    FROM transactions AS t
    JOIN balances AS s ON s.balance_id = t.source
    JOIN began AS g ON g.ledger_id = s.ledger_id
    WHERE t.status IN ('APPLIED', 'INFLIGHT', 'VOID')
      AND (coalesce(t.effective_date, t.created_at) < g.at - interval '1 day'
           OR coalesce(t.effective_date, t.created_at) >= date_trunc('year', now()) + interval '2 years')
),
-- Only as many rows of a ledger are counted as are needed to know that those before it are few.
few AS (
    SELECT m.ledger_id
    FROM (SELECT ledger_id, count(*) FILTER (WHERE before) AS before FROM marked GROUP BY ledger_id) AS m
    CROSS JOIN LATERAL (
        SELECT count(*) AS row_count FROM (
            SELECT FROM balances AS s
            JOIN transactions AS t ON t.source = s.balance_id AND t.status = 'APPLIED'
            WHERE s.ledger_id = m.ledger_id
            LIMIT 100 * m.before
        ) AS counted
    ) AS c
    WHERE c.row_count >= 100 * m.before
),
far AS (
    SELECT m.* FROM marked AS m LEFT JOIN few AS f ON f.ledger_id = m.ledger_id
    WHERE m.beyond OR (m.before AND f.ledger_id IS NOT NULL)
)
SELECT side.balance_id,
       format('Rows dated beyond the next year: %%s; before the ledger began: %%s.',
              count(*) FILTER (WHERE f.beyond), count(*) FILTER (WHERE f.before)) AS detail,
       (array_agg(f.transaction_id ORDER BY f.transaction_id))[1:20] AS rows
FROM far AS f
CROSS JOIN LATERAL (VALUES (f.source), (f.destination)) AS side (balance_id)
WHERE side.balance_id > ''
GROUP BY side.balance_id
