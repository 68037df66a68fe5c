-- Purpose: the queued rows of a database of Blnk's that have no outcome yet. Parameters: schema, put in by the caller.
-- Columns: waiting bigint; rated bigint: those between balances of two currencies; first text[]: ids of the oldest.
SELECT count(*) AS waiting,
       count(*) FILTER (WHERE s.currency IS DISTINCT FROM d.currency) AS rated,
       (array_agg(q.transaction_id ORDER BY q.id))[1:5] AS first
FROM {schema}.transactions AS q
LEFT JOIN {schema}.balances AS s ON s.balance_id = q.source
LEFT JOIN {schema}.balances AS d ON d.balance_id = q.destination
WHERE q.status IN ('QUEUED', 'SCHEDULED')
  AND NOT EXISTS (SELECT FROM {schema}.transactions AS c WHERE c.parent_transaction = q.transaction_id)
