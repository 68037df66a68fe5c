-- Purpose: what hangs under rows that were changed or deleted: whether an applied row there settles a hold may be
-- another answer now.
-- Parameters: ids text[]. Columns: transaction_id, parent_transaction, status, source, destination, reference, units
-- numeric.
SELECT c.transaction_id, c.parent_transaction, c.status, c.source, c.destination, c.reference,
       minor_units(c.precise_amount, c.amount, c.precision) AS units
FROM transactions AS c
WHERE c.parent_transaction = ANY(%(ids)s::text[]) AND c.parent_transaction > '' AND c.status IN ('APPLIED', 'INFLIGHT')
