-- Purpose: find a staged row whose reference is in the database already with other content.
-- Columns: reference, file_number, line; column_name, and what the file and the database say there. One row, or none.
SELECT s.reference, s.file_number, s.line, said.column_name, said.incoming, said.stored
FROM staged_rows AS s
JOIN transactions AS t ON t.reference = s.reference
LEFT JOIN balances AS old_source ON old_source.balance_id = t.source
LEFT JOIN balances AS new_source ON new_source.balance_id = s.source
LEFT JOIN balances AS old_destination ON old_destination.balance_id = t.destination
LEFT JOIN balances AS new_destination ON new_destination.balance_id = s.destination
CROSS JOIN LATERAL (
    -- The currency first: in another one, other balances have the same names.
    VALUES
        (1, 'currency', s.currency, t.currency, s.currency IS DISTINCT FROM t.currency),
        (2, 'source', coalesce(new_source.indicator, s.source), coalesce(old_source.indicator, t.source),
            s.source IS DISTINCT FROM t.source),
        (3, 'destination', coalesce(new_destination.indicator, s.destination),
            coalesce(old_destination.indicator, t.destination), s.destination IS DISTINCT FROM t.destination),
        (4, 'precise_amount', s.precise_amount::text, t.precise_amount::text,
            s.precise_amount IS DISTINCT FROM t.precise_amount),
        (5, 'amount', trim_scale(s.amount)::text, trim_scale(t.amount)::text, s.amount IS DISTINCT FROM t.amount),
        (6, 'precision', s.precision::text, t.precision::text, s.precision IS DISTINCT FROM t.precision),
        (7, 'effective_date', to_char(s.effective_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            to_char(t.effective_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            s.effective_date IS DISTINCT FROM t.effective_date),
        (8, 'status', s.status, t.status, s.status IS DISTINCT FROM t.status),
        (9, 'description', s.description, t.description,
            coalesce(s.description, '') <> coalesce(t.description, '')),
        (10, 'parent', s.parent_transaction, t.parent_transaction,
            coalesce(s.parent_transaction, '') <> coalesce(t.parent_transaction, ''))
) AS said (place, column_name, incoming, stored, differs)
WHERE said.differs
ORDER BY s.file_number, s.line, said.place
LIMIT 1
