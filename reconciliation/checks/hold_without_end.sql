-- Purpose: A hold has no end
-- Description: An amount has been held for longer than LEDGER_HOLD_DAYS, or beyond the date set for its commit or
--   release. It can neither be spent nor received until the hold is settled.
-- Verdict: remark
-- Runs: deep
WITH overdue AS (
    SELECT transaction_id FROM queueing_entry WHERE is_timer AND due_at < now() - interval '1 hour'
),
holds AS (
    SELECT transaction_id, parent_transaction, source, destination,
           minor_units(precise_amount, amount, precision) AS held
    FROM transactions
    WHERE status = 'INFLIGHT'
      AND (created_at < now() - make_interval(days => %(hold_days)s)
           OR transaction_id IN (SELECT transaction_id FROM overdue)
           OR parent_transaction IN (SELECT transaction_id FROM overdue))
),
settled AS (
    SELECT h.transaction_id AS hold_id, s.transaction_id, s.units
    FROM holds AS h
    CROSS JOIN LATERAL settlements_of(h.transaction_id, h.parent_transaction) AS s
),
open AS (
    SELECT h.transaction_id, h.source, h.destination, h.held - coalesce(sum(s.units), 0) AS units
    FROM holds AS h
    LEFT JOIN settled AS s ON s.hold_id = h.transaction_id
    GROUP BY h.transaction_id, h.source, h.destination, h.held
    HAVING h.held > coalesce(sum(s.units), 0)
)
SELECT side.balance_id,
       format('Holds that should have ended: %%s, of %%s minor units in all.', count(*), sum(o.units)) AS detail,
       (array_agg(o.transaction_id ORDER BY o.transaction_id))[1:20] AS rows
FROM open AS o
CROSS JOIN LATERAL (VALUES (o.source), (o.destination)) AS side (balance_id)
WHERE side.balance_id > ''
GROUP BY side.balance_id
