-- Purpose: the spans of time whose rows together are what balances lack: their totals are those from before the span,
-- with what came after it.
-- Parameters: balance_ids text[]; credits, debits, inflight_credits, inflight_debits numeric[]: what each lacks.
-- Columns: balance_id, after_at (the last row before the span, null without one), first_at and last_at (its first and
-- last row), next_at (the first row after it, null without one), row_count; rows: up to 20 of them; others: the
-- balances on their other side. Twenty spans of each balance at most, the longest first.
-- Sums are run from the oldest row on, once; two of them that differ by what is lacking bound a span. Rows of one
-- instant belong together. Commits and scheduled outcomes count as in history.sql.
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest(%(balance_ids)s::text[], %(credits)s::numeric[], %(debits)s::numeric[],
                         %(inflight_credits)s::numeric[], %(inflight_debits)s::numeric[])
        AS g (balance_id, credit, debit, inflight_credit, inflight_debit)
),
moves AS MATERIALIZED (
    SELECT w.balance_id, r.transaction_id, r.parent_transaction, r.other, r.side, r.status,
           CASE WHEN r.reference LIKE '%%\_q' THEN greatest(r.created_at, r.scheduled_for) ELSE r.created_at END AS at,
           minor_units(r.precise_amount, r.amount, r.precision
                       /*rated , CASE WHEN r.side = 'credit' AND r.status <> 'VOID' THEN r.rate END rated*/) AS units
    FROM wanted AS w
    CROSS JOIN LATERAL (
        SELECT t.destination AS other, 'debit' AS side, t.* FROM transactions AS t
        WHERE t.source = w.balance_id AND t.status = 'APPLIED'
        UNION ALL
        SELECT t.source, 'credit', t.* FROM transactions AS t
        WHERE t.destination = w.balance_id AND t.status = 'APPLIED'
        UNION ALL
        SELECT t.destination, 'debit', t.* FROM transactions AS t
        WHERE t.source = w.balance_id AND t.status IN ('INFLIGHT', 'VOID')
        UNION ALL
        SELECT t.source, 'credit', t.* FROM transactions AS t
        WHERE t.destination = w.balance_id AND t.status IN ('INFLIGHT', 'VOID')
    ) AS r
),
held AS (
    SELECT transaction_id AS parent_id FROM moves WHERE status = 'INFLIGHT'
    UNION
    SELECT parent_transaction FROM moves WHERE status = 'INFLIGHT' AND parent_transaction > ''
),
commits AS (
    SELECT c.transaction_id
    FROM held
    CROSS JOIN LATERAL (
        SELECT s.transaction_id FROM settlements AS s
        WHERE s.parent_transaction = held.parent_id AND s.status = 'APPLIED'
        OFFSET 0
    ) AS c
),
instants AS (
    SELECT m.balance_id, m.at, count(*) AS row_count,
           sum(CASE WHEN m.status = 'APPLIED' AND m.side = 'credit' THEN m.units ELSE 0 END) AS credit,
           sum(CASE WHEN m.status = 'APPLIED' AND m.side = 'debit' THEN m.units ELSE 0 END) AS debit,
           sum(CASE WHEN m.side <> 'credit' THEN 0 WHEN m.status = 'INFLIGHT' THEN m.units
                    WHEN m.status = 'VOID' OR c.transaction_id IS NOT NULL THEN -m.units ELSE 0 END) AS inflight_credit,
           sum(CASE WHEN m.side <> 'debit' THEN 0 WHEN m.status = 'INFLIGHT' THEN m.units
                    WHEN m.status = 'VOID' OR c.transaction_id IS NOT NULL THEN -m.units ELSE 0 END) AS inflight_debit
    FROM moves AS m
    LEFT JOIN commits AS c ON c.transaction_id = m.transaction_id
    GROUP BY m.balance_id, m.at
),
ends AS MATERIALIZED (
    SELECT balance_id, at, lead(at) OVER upto AS next_at, sum(row_count) OVER upto AS row_count,
           sum(credit) OVER upto AS credit, sum(debit) OVER upto AS debit,
           sum(inflight_credit) OVER upto AS inflight_credit, sum(inflight_debit) OVER upto AS inflight_debit
    FROM instants
    WINDOW upto AS (PARTITION BY balance_id ORDER BY at)
),
starts AS (
    SELECT balance_id, at, next_at, row_count, credit, debit, inflight_credit, inflight_debit FROM ends
    UNION ALL
    SELECT balance_id, NULL, min(at), 0, 0, 0, 0, 0 FROM ends GROUP BY balance_id
),
spans AS (
    SELECT s.balance_id, s.at AS after_at, s.next_at AS first_at, e.at AS last_at, e.next_at,
           row_number() OVER (PARTITION BY s.balance_id ORDER BY e.row_count - s.row_count DESC, e.at DESC) AS place
    FROM wanted AS w
    JOIN starts AS s ON s.balance_id = w.balance_id
    JOIN ends AS e ON e.balance_id = s.balance_id AND e.credit = s.credit + w.credit AND e.debit = s.debit + w.debit
    WHERE e.inflight_credit = s.inflight_credit + w.inflight_credit
      AND e.inflight_debit = s.inflight_debit + w.inflight_debit AND e.row_count > s.row_count
)
SELECT s.balance_id, s.after_at, s.first_at, s.last_at, s.next_at, count(*) AS row_count,
       (array_agg(m.transaction_id ORDER BY m.at DESC, m.transaction_id DESC))[1:20] AS rows,
       array_agg(DISTINCT m.other) FILTER (WHERE m.other IS NOT NULL) AS others
FROM spans AS s
JOIN moves AS m ON m.balance_id = s.balance_id AND m.at BETWEEN s.first_at AND s.last_at
WHERE s.place <= 20
GROUP BY s.balance_id, s.after_at, s.first_at, s.last_at, s.next_at
ORDER BY s.balance_id, s.last_at DESC, s.first_at DESC
