-- Purpose: what totals balances should have had at moments whose stored totals are known: snapshots, and given ones.
-- Parameters: balance_ids text[]; given_ids text[], given_at timestamptz[]: moments that no snapshot keeps.
-- Columns: balance_id, at, is_snapshot, last_tx_id, the four stored totals of a snapshot, and from the rows created by
-- then: credit, debit, inflight_credit, inflight_debit, row_count.
-- One pass over the rows of a balance: each falls into the span before the first moment that has it, and the spans
-- are summed up in order. A balance without such a moment is not read.
-- The outcome of a scheduled row has the instant of its request, and moved nothing before it was due.
WITH moments AS MATERIALIZED (
    SELECT s.balance_id, s.snapshot_time AS at, true AS is_snapshot, s.last_tx_id,
           s.credit_balance, s.debit_balance, s.inflight_credit_balance, s.inflight_debit_balance
    FROM unnest(%(balance_ids)s::text[]) AS g (balance_id)
    CROSS JOIN LATERAL (
        SELECT * FROM balance_snapshots AS b
        WHERE b.balance_id = g.balance_id
        ORDER BY b.snapshot_time DESC
        LIMIT 400
    ) AS s
    UNION ALL
    SELECT given.balance_id, given.at, false, NULL, NULL, NULL, NULL, NULL
    FROM unnest(%(given_ids)s::text[], %(given_at)s::timestamptz[]) AS given (balance_id, at)
),
read AS MATERIALIZED (
    SELECT balance_id, array_agg(at ORDER BY at) AS ends FROM (SELECT DISTINCT balance_id, at FROM moments) AS m
    GROUP BY balance_id
),
moves AS (
    SELECT r.balance_id, m.*
    FROM read AS r
    CROSS JOIN LATERAL (
        SELECT width_bucket(CASE WHEN t.reference LIKE '%%\_q' THEN greatest(t.created_at, t.scheduled_for) ELSE t.created_at END
                            - interval '1 microsecond', r.ends) AS span, 0 AS credit,
               minor_units(t.precise_amount, t.amount, t.precision) AS debit,
               0 AS inflight_credit, 0 AS inflight_debit
        FROM transactions AS t WHERE t.source = r.balance_id AND t.status = 'APPLIED'
        UNION ALL
        SELECT width_bucket(CASE WHEN t.reference LIKE '%%\_q' THEN greatest(t.created_at, t.scheduled_for) ELSE t.created_at END
                            - interval '1 microsecond', r.ends) AS span,
               minor_units(t.precise_amount, t.amount, t.precision /*rated , t.rate rated*/), 0, 0, 0
        FROM transactions AS t WHERE t.destination = r.balance_id AND t.status = 'APPLIED'
        UNION ALL
        SELECT width_bucket(CASE WHEN t.reference LIKE '%%\_q' THEN greatest(t.created_at, t.scheduled_for) ELSE t.created_at END
                            - interval '1 microsecond', r.ends) AS span, 0, 0, 0,
               CASE t.status WHEN 'INFLIGHT' THEN 1 ELSE -1 END
               * minor_units(t.precise_amount, t.amount, t.precision)
        FROM transactions AS t WHERE t.source = r.balance_id AND t.status IN ('INFLIGHT', 'VOID')
        UNION ALL
        SELECT width_bucket(CASE WHEN t.reference LIKE '%%\_q' THEN greatest(t.created_at, t.scheduled_for) ELSE t.created_at END
                            - interval '1 microsecond', r.ends) AS span, 0, 0,
               CASE t.status WHEN 'INFLIGHT' THEN 1 ELSE -1 END
               * minor_units(t.precise_amount, t.amount, t.precision /*rated , t.rate rated*/), 0
        FROM transactions AS t WHERE t.destination = r.balance_id AND t.status IN ('INFLIGHT', 'VOID')
    ) AS m
),
holds AS MATERIALIZED (
    SELECT r.balance_id, r.ends, h.*
    FROM read AS r
    CROSS JOIN LATERAL (
        SELECT t.transaction_id, t.parent_transaction FROM transactions AS t
        WHERE t.source = r.balance_id AND t.status = 'INFLIGHT'
        UNION ALL
        SELECT t.transaction_id, t.parent_transaction FROM transactions AS t
        WHERE t.destination = r.balance_id AND t.status = 'INFLIGHT'
    ) AS h
),
held AS (
    SELECT balance_id, ends, transaction_id AS parent_id, 'INFLIGHT' AS status, NULL AS reference FROM holds
    UNION
    SELECT h.balance_id, h.ends, q.transaction_id, q.status, q.reference
    FROM holds AS h
    CROSS JOIN LATERAL (
        SELECT t.transaction_id, t.status, t.reference FROM transactions AS t
        WHERE t.transaction_id = h.parent_transaction AND t.status <> 'INFLIGHT'
        OFFSET 0
    ) AS q
),
commits AS (
    SELECT p.balance_id, width_bucket(c.created_at - interval '1 microsecond', p.ends) AS span,
           CASE WHEN c.destination = p.balance_id THEN -c.units ELSE 0 END AS credit,
           CASE WHEN c.source = p.balance_id THEN -c.units ELSE 0 END AS debit
    FROM held AS p
    CROSS JOIN LATERAL (
        SELECT t.created_at, t.source, t.destination, t.reference,
               minor_units(t.precise_amount, t.amount, t.precision) AS units
        FROM transactions AS t
        WHERE t.parent_transaction = p.parent_id AND t.parent_transaction > '' AND t.status = 'APPLIED'
        OFFSET 0
    ) AS c
    WHERE settles(c.reference, p.status, p.reference)
),
spans AS (
    SELECT balance_id, span, sum(credit) AS credit, sum(debit) AS debit,
           sum(inflight_credit) AS inflight_credit, sum(inflight_debit) AS inflight_debit, sum(row_count) AS row_count
    FROM (
        SELECT balance_id, span, credit, debit, inflight_credit, inflight_debit, 1 AS row_count FROM moves
        UNION ALL
        SELECT balance_id, span, 0, 0, credit, debit, 0 FROM commits
    ) AS each
    GROUP BY balance_id, span
),
sums AS (
    SELECT r.balance_id, r.ends[n] AS at,
           sum(coalesce(s.credit, 0)) OVER upto AS credit, sum(coalesce(s.debit, 0)) OVER upto AS debit,
           sum(coalesce(s.inflight_credit, 0)) OVER upto AS inflight_credit,
           sum(coalesce(s.inflight_debit, 0)) OVER upto AS inflight_debit,
           sum(coalesce(s.row_count, 0)) OVER upto AS row_count
    FROM read AS r
    CROSS JOIN LATERAL generate_subscripts(r.ends, 1) AS n
    LEFT JOIN spans AS s ON s.balance_id = r.balance_id AND s.span = n - 1
    WINDOW upto AS (PARTITION BY r.balance_id ORDER BY n)
)
SELECT m.balance_id, m.at, m.is_snapshot, m.last_tx_id, m.credit_balance, m.debit_balance,
       m.inflight_credit_balance, m.inflight_debit_balance,
       s.credit, s.debit, s.inflight_credit, s.inflight_debit, s.row_count
FROM moments AS m
JOIN sums AS s ON s.balance_id = m.balance_id AND s.at = m.at
ORDER BY m.balance_id, m.at
