-- Purpose: the monitors of some balances whose condition holds, by the totals as this transaction sees them.
-- Parameters: balance_ids text[], those that moved.
-- Columns: monitor_id, balance_id, field, operator, value, precision, threshold (minor units), description, created_at.
-- Both tables are read by index, for the balances that moved only. A row from before precise_value existed counts
-- its value in minor units, or times its precision.
SELECT m.monitor_id, m.balance_id, m.field, m.operator, m.value::numeric AS value, c.precision, c.threshold,
       m.description, m.created_at
FROM balance_monitors AS m
JOIN balances AS b ON b.balance_id = m.balance_id
CROSS JOIN LATERAL (SELECT coalesce(nullif(m.precision::numeric, 0), 1) AS precision) AS given
CROSS JOIN LATERAL (
    SELECT given.precision,
           coalesce(m.precise_value, trunc(m.value * given.precision)) AS threshold,
           CASE m.field
               WHEN 'debit_balance' THEN b.debit_balance
               WHEN 'credit_balance' THEN b.credit_balance
               WHEN 'balance' THEN b.balance
               WHEN 'inflight_debit_balance' THEN b.inflight_debit_balance
               WHEN 'inflight_credit_balance' THEN b.inflight_credit_balance
               WHEN 'inflight_balance' THEN b.inflight_balance
           END AS total
) AS c
WHERE m.balance_id = ANY(%(balance_ids)s::text[])
  AND CASE m.operator
          WHEN '>' THEN c.total > c.threshold
          WHEN '<' THEN c.total < c.threshold
          WHEN '>=' THEN c.total >= c.threshold
          WHEN '<=' THEN c.total <= c.threshold
          WHEN '=' THEN c.total = c.threshold
          WHEN '!=' THEN c.total != c.threshold
      END
ORDER BY m.balance_id, m.monitor_id
