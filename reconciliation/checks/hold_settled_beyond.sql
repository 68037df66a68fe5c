-- Purpose: A hold was settled for more than it held
-- Description: Commits and voids of a hold together may never exceed it. More means that one of them happened twice;
--   the inflight totals that follow from such rows are wrong although they agree with them.
-- Verdict: fault
-- Runs: chunk
WITH holds AS (
    SELECT transaction_id, parent_transaction, source, destination,
           minor_units(precise_amount, amount, precision) AS held
    FROM transactions
    WHERE status = 'INFLIGHT'
      AND (%(balance_ids)s::text[] IS NULL
           OR source = ANY(%(balance_ids)s::text[]) OR destination = ANY(%(balance_ids)s::text[]))
),
settled AS (
    SELECT h.transaction_id AS hold_id, s.transaction_id, s.units
    FROM holds AS h
    CROSS JOIN LATERAL settlements_of(h.transaction_id, h.parent_transaction) AS s
),
beyond AS (
    SELECT h.transaction_id, h.source, h.destination, h.held, sum(s.units) AS settled,
           array_agg(s.transaction_id ORDER BY s.transaction_id) AS children
    FROM holds AS h
    JOIN settled AS s ON s.hold_id = h.transaction_id
    GROUP BY h.transaction_id, h.source, h.destination, h.held
    HAVING sum(s.units) > h.held
)
SELECT side.balance_id,
       format('%%s settled beyond what they held: %%s.', count(*),
              string_agg(format('%%s held %%s, settled %%s', b.transaction_id, b.held, b.settled), '; ')) AS detail,
       array_agg(b.transaction_id ORDER BY b.transaction_id) AS rows
FROM beyond AS b
CROSS JOIN LATERAL (VALUES (b.source), (b.destination)) AS side (balance_id)
WHERE (%(balance_ids)s::text[] IS NULL OR side.balance_id = ANY(%(balance_ids)s::text[]))
GROUP BY side.balance_id
