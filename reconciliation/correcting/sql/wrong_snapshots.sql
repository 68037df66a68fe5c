-- Purpose: how many snapshots were taken of balances since they went wrong; those keep the wrong totals.
-- Parameters: balance_ids text[]; since timestamptz[], one for each, null where unknown.
-- Columns: snapshots. Each balance's snapshots come from the index snapshots_of_balance.
SELECT count(*) AS snapshots
FROM unnest(%(balance_ids)s::text[], %(since)s::timestamptz[]) AS g (balance_id, since)
JOIN balance_snapshots AS s
    ON s.balance_id = g.balance_id AND s.snapshot_time > coalesce(g.since, '-infinity'::timestamptz)
