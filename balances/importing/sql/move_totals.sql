-- Purpose: move the totals of balances by the staged rows, which are in the database by now, as a reconstruction would
-- count them (reconciliation/measuring/sql/measure.sql).
-- Columns: balance_id. The caller has locked the balances in key order.
-- The mark shows the edit journal that this UPDATE is no edit; it is set before a row changes, for this statement only.
WITH valued AS (
    SELECT transaction_id, parent_transaction, source, destination, status,
           minor_units(precise_amount, amount, precision) AS units
    FROM staged_rows
    WHERE status IN ('APPLIED', 'INFLIGHT', 'VOID')
),
commits AS (
    SELECT c.source, c.destination, c.units
    FROM valued AS v
    JOIN settlements AS c ON c.transaction_id = v.transaction_id
    WHERE v.status = 'APPLIED' AND v.parent_transaction > ''
    UNION ALL
    -- A first hold under a waiting row makes commits of the rows that were under it already.
    SELECT c.source, c.destination, c.units
    FROM (SELECT DISTINCT parent_transaction FROM valued WHERE status = 'INFLIGHT' AND parent_transaction > '') AS held
    JOIN settlements AS c ON c.parent_transaction = held.parent_transaction
    WHERE c.status = 'APPLIED' AND c.is_under_waiting
      AND NOT EXISTS (SELECT FROM staged_rows AS s WHERE s.transaction_id = c.transaction_id)
      AND NOT EXISTS (
          SELECT FROM transactions AS h
          WHERE h.parent_transaction = c.parent_transaction AND h.parent_transaction > '' AND h.status = 'INFLIGHT'
            AND NOT EXISTS (SELECT FROM staged_rows AS s WHERE s.transaction_id = h.transaction_id))
),
moves AS (
    SELECT source, destination, units AS applied, 0 AS held FROM valued WHERE status = 'APPLIED'
    UNION ALL
    SELECT source, destination, 0, CASE status WHEN 'INFLIGHT' THEN units ELSE -units END
    FROM valued
    WHERE status <> 'APPLIED'
    UNION ALL
    SELECT source, destination, 0, -units FROM commits
),
sums AS (
    SELECT side.balance_id, sum(side.credit) AS credit, sum(side.debit) AS debit,
           sum(side.held_credit) AS held_credit, sum(side.held_debit) AS held_debit
    FROM moves AS m
    CROSS JOIN LATERAL (
        VALUES (m.source, 0, m.applied, 0, m.held), (m.destination, m.applied, 0, m.held, 0)
    ) AS side (balance_id, credit, debit, held_credit, held_debit)
    GROUP BY side.balance_id
)
UPDATE balances AS b
SET credit_balance = b.credit_balance + s.credit,
    debit_balance = b.debit_balance + s.debit,
    balance = b.balance + s.credit - s.debit,
    inflight_credit_balance = b.inflight_credit_balance + s.held_credit,
    inflight_debit_balance = b.inflight_debit_balance + s.held_debit,
    inflight_balance = b.inflight_balance + s.held_credit - s.held_debit,
    version = b.version + 1
FROM sums AS s
WHERE b.balance_id = s.balance_id
  AND set_config('ledger.writer', statement_timestamp()::text, true) IS NOT NULL
RETURNING b.balance_id
