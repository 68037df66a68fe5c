-- Purpose: which amounts are in damaged rows, which count nowhere: of an unknown status, or without an end.
-- Parameters: balance_ids text[], units numeric[], as many of each: an end that the row still has, and its amount.
-- Columns: balance_id, units.
SELECT g.balance_id, g.units
FROM unnest(%(balance_ids)s::text[], %(units)s::numeric[]) AS g (balance_id, units)
WHERE EXISTS (
    SELECT FROM transactions AS t
    LEFT JOIN balances AS b ON b.balance_id = t.destination
    WHERE hashtextextended(t.source, 0) = hashtextextended(g.balance_id, 0) AND t.source = g.balance_id
      AND minor_units(t.precise_amount, t.amount, t.precision) = g.units
      AND (b.balance_id IS NULL
           OR (t.status IN ('QUEUED', 'SCHEDULED', 'INFLIGHT', 'APPLIED', 'VOID', 'REJECTED')) IS NOT TRUE)
)
OR EXISTS (
    SELECT FROM transactions AS t
    LEFT JOIN balances AS b ON b.balance_id = t.source
    WHERE hashtextextended(t.destination, 0) = hashtextextended(g.balance_id, 0) AND t.destination = g.balance_id
      AND minor_units(t.precise_amount, t.amount, t.precision) = g.units
      AND (b.balance_id IS NULL
           OR (t.status IN ('QUEUED', 'SCHEDULED', 'INFLIGHT', 'APPLIED', 'VOID', 'REJECTED')) IS NOT TRUE)
)
