-- What a row does to each of its two balances: the one place that says so for a row by itself, whatever month it is of.
--
-- It is measure.sql turned round: that looks for the commits from the holds of a few balances, this asks of each row
-- whether it is one. Both add up to the same totals, and tests hold them to each other to the unit.
CREATE VIEW legs AS
SELECT side.balance_id, side.side, row_kinds.kind, t.transaction_id, t.reference, t.currency, t.created_at,
       CASE WHEN row_kinds.kind IN ('applied', 'commit') THEN row_kinds.units ELSE 0 END AS applied,
       CASE row_kinds.kind WHEN 'hold' THEN row_kinds.units WHEN 'applied' THEN 0 ELSE -row_kinds.units END AS inflight
FROM transactions AS t
LEFT JOIN settlements AS s ON s.transaction_id = t.transaction_id AND s.status = 'APPLIED'
CROSS JOIN LATERAL (
    VALUES (
        CASE t.status
            WHEN 'INFLIGHT' THEN 'hold'
            WHEN 'VOID' THEN 'release'
            ELSE CASE WHEN s.transaction_id IS NULL THEN 'applied' ELSE 'commit' END
        END,
        minor_units(t.precise_amount, t.amount, t.precision)
    )
) AS row_kinds (kind, units)
CROSS JOIN LATERAL (VALUES (t.source, 'debit'), (t.destination, 'credit')) AS side (balance_id, side)
WHERE t.status IN ('APPLIED', 'INFLIGHT', 'VOID') AND side.balance_id IS NOT NULL;
COMMENT ON VIEW legs IS
    'Each row that counts as its two legs, one for each balance: what it adds to the applied and to the inflight total '
    'of its side, in minor units. kind: applied, commit (of a hold, which it takes away as well), hold or release.';
