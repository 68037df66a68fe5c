-- Purpose: what waits in our queue, in order. Parameters: size int.
-- Columns: reference, action, due_at; total bigint: how many entries there are.
SELECT coalesce(t.reference, e.transaction_id) AS reference, e.action, e.due_at, count(*) OVER () AS total
FROM queueing_entry AS e
LEFT JOIN transactions AS t ON t.transaction_id = e.transaction_id
ORDER BY e.due_at, e.id
LIMIT %(size)s
