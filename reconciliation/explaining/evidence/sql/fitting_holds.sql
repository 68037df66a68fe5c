-- Purpose: holds of balances, with what settled them, where one of their amounts would account for drift in inflight.
-- Fifty of each balance and side at most: those that fit exactly, then open ones.
-- Parameters: balance_ids text[], sides text[] (credit, debit), units numeric[] (amounts, not signed), as many of each.
-- Columns: balance_id, side, transaction_id, units, created_at; commits and voids as JSON, each [id, units].
-- Settlements are looked up from the holds: under the hold, or under the queued row it came from.
WITH wanted AS MATERIALIZED (
    SELECT balance_id, side, array_agg(DISTINCT units) AS units
    FROM unnest(%(balance_ids)s::text[], %(sides)s::text[], %(units)s::numeric[]) AS given (balance_id, side, units)
    GROUP BY balance_id, side
),
holds AS MATERIALIZED (
    SELECT w.balance_id, w.side, w.units AS wanted, h.*
    FROM wanted AS w
    CROSS JOIN LATERAL (
        SELECT t.transaction_id, t.created_at, t.parent_transaction,
               minor_units(t.precise_amount, t.amount, t.precision) AS units
        FROM transactions AS t
        WHERE w.side = 'debit' AND t.source = w.balance_id AND t.status = 'INFLIGHT'
        UNION ALL
        SELECT t.transaction_id, t.created_at, t.parent_transaction,
               minor_units(t.precise_amount, t.amount, t.precision /*rated , t.rate rated*/)
        FROM transactions AS t
        WHERE w.side = 'credit' AND t.destination = w.balance_id AND t.status = 'INFLIGHT'
    ) AS h
),
children AS (
    SELECT h.balance_id, h.side, h.transaction_id AS hold_id, s.*
    FROM holds AS h
    CROSS JOIN LATERAL (SELECT * FROM settlements_of(h.transaction_id, h.parent_transaction) OFFSET 0) AS s
),
settled AS (
    SELECT balance_id, side, hold_id, sum(units) AS units, array_agg(units) AS each,
           coalesce(
               jsonb_agg(jsonb_build_array(transaction_id, units) ORDER BY created_at, transaction_id)
                   FILTER (WHERE status = 'APPLIED'), '[]'
           ) AS commits,
           coalesce(
               jsonb_agg(jsonb_build_array(transaction_id, units) ORDER BY created_at, transaction_id)
                   FILTER (WHERE status = 'VOID'), '[]'
           ) AS voids
    FROM children
    GROUP BY balance_id, side, hold_id
)
SELECT balance_id, side, transaction_id, units, created_at, commits, voids
FROM (
    SELECT h.balance_id, h.side, h.transaction_id, h.units, h.created_at,
           coalesce(s.commits, '[]')::text AS commits, coalesce(s.voids, '[]')::text AS voids,
           row_number() OVER (
               PARTITION BY h.balance_id, h.side ORDER BY fit.exactly DESC, h.created_at DESC, h.transaction_id DESC
           ) AS place
    FROM holds AS h
    LEFT JOIN settled AS s ON s.balance_id = h.balance_id AND s.side = h.side AND s.hold_id = h.transaction_id
    CROSS JOIN LATERAL (
        SELECT coalesce(
            h.units = ANY (h.wanted)
            OR h.units - coalesce(s.units, 0) = ANY (h.wanted)
            OR coalesce(s.units, 0) - h.units = ANY (h.wanted)
            OR s.each && h.wanted, false
        ) AS exactly
    ) AS fit
    WHERE fit.exactly OR h.units > coalesce(s.units, 0)
) AS fitting
WHERE place <= 50
ORDER BY balance_id, created_at DESC, transaction_id DESC
