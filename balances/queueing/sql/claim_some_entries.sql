-- Purpose: claim the entries that apply some queued rows, in order and as whole groups, waiting for other claims.
-- Parameters: ids text[], of the queued rows. Columns: those of claim_entries.sql.
WITH wanted AS MATERIALIZED (
    SELECT e.id
    FROM queueing_entry AS e
    WHERE e.action = 'apply'
      AND (e.transaction_id = ANY(%(ids)s::text[])
           OR e.group_id = ANY(ARRAY(
                  SELECT g.group_id FROM queueing_entry AS g
                  WHERE g.action = 'apply' AND g.transaction_id = ANY(%(ids)s::text[]) AND g.group_id > ''
              )))
    ORDER BY e.due_at, e.id
    FOR UPDATE
)
SELECT e.id AS entry_id, e.action, e.transaction_id AS target, e.group_id, e.units, e.action_id, e.is_timer,
       e.inflight AS is_hold, e.allow_overdraft, e.overdraft_limit, e.inflight_expiry_date, e.inflight_commit_date,
       e.attempts, e.last_error, t.*
FROM queueing_entry AS e
LEFT JOIN transactions AS t ON t.transaction_id = e.transaction_id
WHERE e.id = ANY(ARRAY(SELECT id FROM wanted))
ORDER BY e.due_at, e.id
