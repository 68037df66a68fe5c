-- Purpose: the open holds of a balance, oldest first, with what is committed and what remains of each.
-- Parameters: balance_id text; most int.
-- Columns: transaction_id; is_debit boolean; other, other_name text: the balance on the other side; reference, description,
-- precision, held_at; units, committed, remaining numeric; expires_at, commits_at, the dates of the hold that are still
-- to come; holds bigint, debits and credits numeric: the number of all open holds and what remains of them by side.
WITH holds AS MATERIALIZED (
    SELECT transaction_id, parent_transaction, true AS is_debit, destination AS other,
           minor_units(precise_amount, amount, precision) AS units
    FROM transactions
    WHERE status = 'INFLIGHT' AND source = %(balance_id)s
    UNION ALL
    SELECT transaction_id, parent_transaction, false, source,
           minor_units(precise_amount, amount, precision /*rated , rate rated*/)
    FROM transactions
    WHERE status = 'INFLIGHT' AND destination = %(balance_id)s AND source IS DISTINCT FROM %(balance_id)s
),
settled AS (
    SELECT h.*, s.committed, h.units - s.committed - s.released AS remaining, s.is_released
    FROM holds AS h
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(each.units) FILTER (WHERE each.status = 'APPLIED'), 0) AS committed,
               coalesce(sum(each.units) FILTER (WHERE each.status = 'VOID'), 0) AS released,
               count(*) FILTER (WHERE each.status = 'VOID') > 0 AS is_released
        FROM settlements_of(h.transaction_id, h.parent_transaction) AS each
    ) AS s
),
open AS (
    SELECT settled.*, t.reference, t.description, t.precision, coalesce(t.effective_date, t.created_at) AS held_at,
           count(*) OVER () AS holds,
           coalesce(sum(remaining) FILTER (WHERE is_debit) OVER (), 0) AS debits,
           coalesce(sum(remaining) FILTER (WHERE NOT is_debit) OVER (), 0) AS credits
    FROM settled
    JOIN transactions AS t USING (transaction_id)
    WHERE remaining > 0 AND NOT is_released
    ORDER BY held_at, transaction_id
    LIMIT %(most)s
)
SELECT open.transaction_id, open.is_debit, open.other, coalesce(b.indicator, open.other) AS other_name, open.reference,
       open.description, open.precision, open.held_at, open.units, open.committed, open.remaining,
       dates.expires_at, dates.commits_at, open.holds, open.debits, open.credits
FROM open
LEFT JOIN balances AS b ON b.balance_id = open.other
LEFT JOIN LATERAL (
    SELECT min(e.due_at) FILTER (WHERE e.action = 'void') AS expires_at,
           min(e.due_at) FILTER (WHERE e.action = 'commit') AS commits_at
    FROM queueing_entry AS e
    WHERE e.is_timer AND e.transaction_id IN (open.transaction_id, open.parent_transaction)
) AS dates ON true
ORDER BY open.held_at, open.transaction_id
