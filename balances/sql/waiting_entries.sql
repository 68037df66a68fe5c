-- Purpose: the entries that are to apply some queued rows, in order, whole groups, as they are now: nobody is waited for.
-- Parameters: ids text[], of the queued rows. Columns: those of claim_entries.sql.
SELECT e.id AS entry_id, e.action, e.transaction_id AS target, e.group_id, e.units, e.action_id, e.is_timer,
       e.inflight AS is_hold, e.allow_overdraft, e.overdraft_limit, e.attempts, e.last_error, t.*
FROM queueing_entry AS e
LEFT JOIN transactions AS t ON t.transaction_id = e.transaction_id
WHERE e.id = ANY(ARRAY(
        SELECT w.id
        FROM queueing_entry AS w
        WHERE w.action = 'apply' AND w.transaction_id = ANY(%(ids)s::text[])
        UNION
        SELECT m.id
        FROM queueing_entry AS g
        JOIN queueing_entry AS m ON m.group_id = g.group_id AND m.group_id > '' AND m.action = 'apply'
        WHERE g.action = 'apply' AND g.transaction_id = ANY(%(ids)s::text[])
      ))
ORDER BY e.due_at, e.id
