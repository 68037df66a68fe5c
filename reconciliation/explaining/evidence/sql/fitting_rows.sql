-- Purpose: rows of balances whose amount is one of those that would account for their drift.
-- Parameters: balance_ids text[]; units numeric[] and until timestamptz[], one for each of them.
-- Columns: those of a row as one of its balances sees it (observations.py), twenty of each amount, newest first;
-- twins: how many there are. Applied rows are sought in the covering indexes alone, once a balance, and only what
-- fits is then looked up; rows without an effective date, which only old databases have, and the other statuses
-- have branches of their own, each by a partial index. LATERAL and OFFSET 0 keep the planner to one balance after
-- the other: it has no statistics for these few and would read the whole table.
WITH wanted AS MATERIALIZED (
    SELECT balance_id, array_agg(DISTINCT units) AS units, max(until) AS until
    FROM unnest(%(balance_ids)s::text[], %(units)s::numeric[], %(until)s::timestamptz[]) AS given (balance_id, units, until)
    GROUP BY balance_id
),
fitting AS (
    SELECT w.balance_id, w.until, t.*
    FROM wanted AS w
    CROSS JOIN LATERAL (
        SELECT 'debit' AS side, r.*
        FROM (
            SELECT DISTINCT t.effective_date, t.precise_amount
            FROM transactions AS t
            WHERE t.status = 'APPLIED' AND t.source = w.balance_id AND t.effective_date IS NOT NULL
              AND t.precise_amount = ANY (w.units)
        ) AS f
        CROSS JOIN LATERAL (
            SELECT * FROM transactions AS t
            WHERE t.status = 'APPLIED' AND t.source = w.balance_id AND t.effective_date = f.effective_date
              AND t.precise_amount = f.precise_amount
            OFFSET 0
        ) AS r
        UNION ALL
        SELECT 'credit' AS side, r.*
        FROM (
            SELECT DISTINCT t.effective_date, t.precise_amount
            FROM transactions AS t
            WHERE t.status = 'APPLIED' AND t.destination = w.balance_id AND t.effective_date IS NOT NULL
              AND t.precise_amount = ANY (w.units)
        ) AS f
        CROSS JOIN LATERAL (
            SELECT * FROM transactions AS t
            WHERE t.status = 'APPLIED' AND t.destination = w.balance_id AND t.effective_date = f.effective_date
              AND t.precise_amount = f.precise_amount
            OFFSET 0
        ) AS r
        UNION ALL
        SELECT 'debit' AS side, t.* FROM transactions AS t
        WHERE t.source = w.balance_id AND t.status = 'APPLIED' AND t.effective_date IS NULL
          AND t.precise_amount = ANY (w.units)
        UNION ALL
        SELECT 'credit' AS side, t.* FROM transactions AS t
        WHERE t.destination = w.balance_id AND t.status = 'APPLIED' AND t.effective_date IS NULL
          AND t.precise_amount = ANY (w.units)
        UNION ALL
        SELECT 'debit' AS side, t.* FROM transactions AS t
        WHERE t.source = w.balance_id AND t.status = 'APPLIED' AND t.precise_amount IS NULL
          AND minor_units(NULL, t.amount, t.precision) = ANY (w.units)
        UNION ALL
        SELECT 'credit' AS side, t.* FROM transactions AS t
        WHERE t.destination = w.balance_id AND t.status = 'APPLIED' AND t.precise_amount IS NULL
          AND minor_units(NULL, t.amount, t.precision) = ANY (w.units)
        UNION ALL
        SELECT 'debit' AS side, t.* FROM transactions AS t
        WHERE t.source = w.balance_id AND t.status IN ('INFLIGHT', 'VOID')
          AND minor_units(t.precise_amount, t.amount, t.precision) = ANY (w.units)
        UNION ALL
        SELECT 'credit' AS side, t.* FROM transactions AS t
        WHERE t.destination = w.balance_id AND t.status IN ('INFLIGHT', 'VOID')
          AND minor_units(t.precise_amount, t.amount, t.precision) = ANY (w.units)
        UNION ALL
        SELECT 'debit' AS side, t.* FROM transactions AS t
        WHERE t.source = w.balance_id AND t.status = 'QUEUED'
          AND minor_units(t.precise_amount, t.amount, t.precision) = ANY (w.units)
        UNION ALL
        SELECT 'credit' AS side, t.* FROM transactions AS t
        WHERE t.destination = w.balance_id AND t.status = 'QUEUED'
          AND minor_units(t.precise_amount, t.amount, t.precision) = ANY (w.units)
        UNION ALL
        SELECT 'debit' AS side, t.* FROM transactions AS t
        WHERE t.source = w.balance_id AND t.status = 'REJECTED'
          AND minor_units(t.precise_amount, t.amount, t.precision) = ANY (w.units)
        UNION ALL
        SELECT 'credit' AS side, t.* FROM transactions AS t
        WHERE t.destination = w.balance_id AND t.status = 'REJECTED'
          AND minor_units(t.precise_amount, t.amount, t.precision) = ANY (w.units)
        /*rated
        UNION ALL
        SELECT 'credit' AS side, t.* FROM transactions AS t
        WHERE t.destination = w.balance_id AND t.status IN ('APPLIED', 'INFLIGHT') AND t.rate NOT IN (0, 1)
          AND minor_units(t.precise_amount, t.amount, t.precision, t.rate) = ANY (w.units)
          AND minor_units(t.precise_amount, t.amount, t.precision) <> ALL (w.units)
        rated*/
    ) AS t
),
counted AS (
    SELECT f.*, minor_units(f.precise_amount, f.amount, f.precision
                            /*rated , CASE f.side WHEN 'credit' THEN f.rate END rated*/) AS units_moved,
           count(*) OVER same AS twins,
           row_number() OVER (same ORDER BY f.created_at DESC, f.transaction_id DESC) AS place
    FROM fitting AS f
    -- A row that names no balance, or one that is gone, is damaged: it accounts for nothing (checks/end_missing.sql).
    WHERE f.created_at <= f.until
      AND EXISTS (SELECT FROM balances AS s WHERE s.balance_id = f.source)
      AND EXISTS (SELECT FROM balances AS d WHERE d.balance_id = f.destination)
    WINDOW same AS (
        PARTITION BY f.balance_id, f.side, f.status,
                     minor_units(f.precise_amount, f.amount, f.precision
                                 /*rated , CASE f.side WHEN 'credit' THEN f.rate END rated*/)
    )
)
SELECT c.balance_id, c.side, c.transaction_id, c.status, c.units_moved AS units,
       c.precision, c.reference,
       CASE c.side WHEN 'debit' THEN c.destination ELSE c.source END AS other,
       c.created_at,
       c.status = 'APPLIED' AND EXISTS (
           SELECT FROM settlements AS s WHERE s.transaction_id = c.transaction_id
       ) AS is_commit,
       EXISTS (
           SELECT FROM transactions AS child
           WHERE child.parent_transaction = c.transaction_id AND child.parent_transaction > ''
       ) AS has_children,
       c.twins
FROM counted AS c
WHERE c.place <= 20
ORDER BY c.balance_id, c.created_at DESC, c.transaction_id DESC
