-- Purpose: the entries that apply some queued rows, as whole groups and in order, read without waiting for locks.
-- Parameters: ids text[], of the queued rows. Columns: those of claim_entries.sql.
-- Groups are looked up first and given as an array, because a join with their members would read the whole queue.
SELECT e.id AS entry_id, e.action, e.transaction_id AS target, e.group_id, e.units, e.action_id, e.is_timer,
       e.inflight AS is_hold, e.allow_overdraft, e.overdraft_limit, e.inflight_expiry_date, e.inflight_commit_date,
       e.attempts, e.last_error, t.*
FROM queueing_entry AS e
LEFT JOIN transactions AS t ON t.transaction_id = e.transaction_id
WHERE e.id = ANY(ARRAY(
        SELECT w.id
        FROM queueing_entry AS w
        WHERE w.action = 'apply' AND w.transaction_id = ANY(%(ids)s::text[])
        UNION
        SELECT m.id
        FROM queueing_entry AS m
        WHERE m.action = 'apply' AND m.group_id > '' AND m.group_id = ANY(ARRAY(
                SELECT DISTINCT g.group_id
                FROM queueing_entry AS g
                WHERE g.action = 'apply' AND g.transaction_id = ANY(%(ids)s::text[]) AND g.group_id > ''
              ))
      ))
ORDER BY e.due_at, e.id
