-- Purpose: claim the next due entries, in order and as whole groups, with the rows that they are about.
-- Parameters: size int. Columns: entry_id, action, target, group_id, units, action_id, is_timer, is_hold,
-- allow_overdraft, overdraft_limit, inflight_expiry_date, inflight_commit_date, attempts, last_error, then the row, NULL where the entry names none.
-- Entries that another worker has claimed are skipped; a claim ends with its transaction, also when a worker is killed.
WITH due AS MATERIALIZED (
    SELECT e.id, e.group_id
    FROM queueing_entry AS e
    WHERE e.due_at <= now()
    ORDER BY e.due_at, e.id
    LIMIT %(size)s
    FOR UPDATE SKIP LOCKED
),
rest AS MATERIALIZED (
    SELECT e.id
    FROM queueing_entry AS e
    WHERE e.group_id > '' AND e.group_id = ANY(ARRAY(SELECT DISTINCT group_id FROM due WHERE group_id > ''))
      AND NOT e.id = ANY(ARRAY(SELECT id FROM due))
    FOR UPDATE
)
SELECT e.id AS entry_id, e.action, e.transaction_id AS target, e.group_id, e.units, e.action_id, e.is_timer,
       e.inflight AS is_hold, e.allow_overdraft, e.overdraft_limit, e.inflight_expiry_date, e.inflight_commit_date,
       e.attempts, e.last_error, t.*
FROM queueing_entry AS e
LEFT JOIN transactions AS t ON t.transaction_id = e.transaction_id AND e.action = 'apply'
WHERE e.id = ANY(ARRAY(SELECT id FROM due UNION ALL SELECT id FROM rest))
ORDER BY e.due_at, e.id
