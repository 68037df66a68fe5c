-- Purpose: what a balance was at marks of its statement, from its transactions, by the rules of measure.sql.
-- Parameters: balance_id text; ats, ids text[] of equal length: a mark is an instant and a row of that instant, or an
-- empty id for the state before all rows of it; dates text[]: the instants of marks that have an id; since text: what is
-- dated earlier is left out of credits and debits; with_holds boolean: whether inflight figures are wanted.
-- Columns, one row for each mark, in order: credit and debit, what the row itself moves; credits and debits, the sums
-- since ``since`` up to and with it; inflight_credits and inflight_debits, what is held then.
-- Rows are in the order of their effective dates, or of their creation without one, then of their ids. The spans between
-- the instants of marks are each summed once, from the covering indexes of applied rows alone.
WITH marks AS (
    SELECT m.at::timestamptz AS at, m.id, m.number
    FROM unnest(%(ats)s::text[], %(ids)s::text[]) WITH ORDINALITY AS m (at, id, number)
),
spans AS (
    SELECT d.at, lag(d.at, 1, %(since)s::timestamptz) OVER (ORDER BY d.at) AS before
    FROM (SELECT DISTINCT at FROM marks) AS d
),
-- What those indexes do not say: rows without a date or without minor units, which only old databases have.
apart AS MATERIALIZED (
    SELECT transaction_id AS id, created_at AS at, 0 AS credit, precise_amount AS debit
    FROM transactions
    WHERE status = 'APPLIED' AND source = %(balance_id)s AND effective_date IS NULL AND precise_amount IS NOT NULL
    UNION ALL
    SELECT transaction_id, created_at, precise_amount, 0
    FROM transactions
    WHERE status = 'APPLIED' AND destination = %(balance_id)s AND effective_date IS NULL AND precise_amount IS NOT NULL
    UNION ALL
    SELECT transaction_id, coalesce(effective_date, created_at), 0, minor_units(NULL, amount, precision)
    FROM transactions
    WHERE status = 'APPLIED' AND source = %(balance_id)s AND precise_amount IS NULL
    UNION ALL
    SELECT transaction_id, coalesce(effective_date, created_at), minor_units(NULL, amount, precision), 0
    FROM transactions
    WHERE status = 'APPLIED' AND destination = %(balance_id)s AND precise_amount IS NULL
    /*rated
    UNION ALL
    SELECT transaction_id, coalesce(effective_date, created_at),
           minor_units(precise_amount, amount, precision, rate) - minor_units(precise_amount, amount, precision), 0
    FROM transactions
    WHERE rate NOT IN (0, 1) AND status = 'APPLIED' AND destination = %(balance_id)s
    rated*/
),
totals AS (
    SELECT s.at,
           sum(coalesce(c.units, 0) + coalesce(a.credit, 0)) OVER (ORDER BY s.at) AS credits,
           sum(coalesce(d.units, 0) + coalesce(a.debit, 0)) OVER (ORDER BY s.at) AS debits
    FROM spans AS s
    CROSS JOIN LATERAL (
        SELECT sum(precise_amount) AS units FROM transactions
        WHERE status = 'APPLIED' AND destination = %(balance_id)s
          AND effective_date >= s.before AND effective_date < s.at
    ) AS c
    CROSS JOIN LATERAL (
        SELECT sum(precise_amount) AS units FROM transactions
        WHERE status = 'APPLIED' AND source = %(balance_id)s
          AND effective_date >= s.before AND effective_date < s.at
    ) AS d
    CROSS JOIN LATERAL (
        SELECT sum(credit) AS credit, sum(debit) AS debit FROM apart WHERE apart.at >= s.before AND apart.at < s.at
    ) AS a
),
-- The rows of the instants of marks, among which the id decides.
ties AS (
    SELECT transaction_id AS id, effective_date::timestamptz AS at, 0 AS credit, precise_amount AS debit
    FROM transactions
    WHERE status = 'APPLIED' AND source = %(balance_id)s AND effective_date = ANY(%(dates)s::timestamptz[])
      AND precise_amount IS NOT NULL
    UNION ALL
    SELECT transaction_id, effective_date::timestamptz, precise_amount, 0
    FROM transactions
    WHERE status = 'APPLIED' AND destination = %(balance_id)s AND effective_date = ANY(%(dates)s::timestamptz[])
      AND precise_amount IS NOT NULL
    UNION ALL
    SELECT id, at::timestamptz, credit, debit FROM apart WHERE at = ANY(%(dates)s::timestamptz[])
    UNION ALL
    SELECT id, at, 0, 0 FROM marks
),
running AS (
    SELECT at, id, sum(credit) AS credit, sum(debit) AS debit,
           sum(sum(credit)) OVER (PARTITION BY at ORDER BY id) AS credits,
           sum(sum(debit)) OVER (PARTITION BY at ORDER BY id) AS debits
    FROM ties
    GROUP BY at, id
),
-- Holds and their releases, each row once, and what commits them: looked up from the holds, as in measure.sql.
holds AS MATERIALIZED (
    SELECT transaction_id, parent_transaction, status, coalesce(effective_date, created_at)::timestamptz AS at,
           CASE WHEN destination = %(balance_id)s
                THEN minor_units(precise_amount, amount, precision /*rated , CASE status WHEN 'INFLIGHT' THEN rate END rated*/)
                ELSE 0 END AS credit,
           CASE WHEN source = %(balance_id)s THEN minor_units(precise_amount, amount, precision) ELSE 0 END AS debit
    FROM (
        SELECT * FROM transactions
        WHERE %(with_holds)s AND status IN ('INFLIGHT', 'VOID') AND source = %(balance_id)s
        UNION ALL
        SELECT * FROM transactions
        WHERE %(with_holds)s AND status IN ('INFLIGHT', 'VOID') AND destination = %(balance_id)s
          AND source IS DISTINCT FROM %(balance_id)s
    ) AS t
),
held AS (
    SELECT transaction_id AS parent_id, 'INFLIGHT' AS status, NULL AS reference FROM holds WHERE status = 'INFLIGHT'
    UNION ALL
    SELECT DISTINCT q.transaction_id, q.status, q.reference
    FROM holds AS h
    JOIN transactions AS q ON q.transaction_id = h.parent_transaction AND q.status <> 'INFLIGHT'
    WHERE h.status = 'INFLIGHT' AND h.parent_transaction > ''
),
commits AS (
    SELECT c.transaction_id AS id, coalesce(c.effective_date, c.created_at)::timestamptz AS at, c.source, c.destination,
           minor_units(c.precise_amount, c.amount, c.precision) AS units
    FROM held AS p
    JOIN transactions AS c
        ON c.parent_transaction = p.parent_id AND c.parent_transaction > '' AND c.status = 'APPLIED'
    WHERE settles(c.reference, p.status, p.reference)
),
inflight AS (
    SELECT at, id, sum(sum(credit)) OVER (ORDER BY at, id) AS credits, sum(sum(debit)) OVER (ORDER BY at, id) AS debits
    FROM (
        SELECT at, transaction_id AS id, CASE status WHEN 'INFLIGHT' THEN credit ELSE -credit END AS credit,
               CASE status WHEN 'INFLIGHT' THEN debit ELSE -debit END AS debit
        FROM holds
        UNION ALL
        SELECT at, id, CASE WHEN destination = %(balance_id)s THEN -units ELSE 0 END,
               CASE WHEN source = %(balance_id)s THEN -units ELSE 0 END
        FROM commits
        UNION ALL
        SELECT at, id, 0, 0 FROM marks
    ) AS moves
    GROUP BY at, id
)
SELECT r.credit, r.debit, t.credits + r.credits AS credits, t.debits + r.debits AS debits,
       i.credits AS inflight_credits, i.debits AS inflight_debits
FROM marks AS m
JOIN totals AS t ON t.at = m.at
JOIN running AS r ON r.at = m.at AND r.id = m.id
JOIN inflight AS i ON i.at = m.at AND i.id = m.id
ORDER BY m.number
