-- Purpose: have a worker post all queued rows that have no outcome, each when it is due. Options that no column keeps are
-- read from the metadata, as for rows that are recovered; an overdraft limit is not among them. Parameters: none.
INSERT INTO queueing_entry (
    action, transaction_id, group_id, action_id, is_timer, inflight, allow_overdraft, due_at, attempts, last_error
)
SELECT 'apply', q.transaction_id, '', '', false, coalesce(q.meta_data -> 'inflight' = 'true', false),
       coalesce(q.meta_data -> 'allow_overdraft' = 'true', false), coalesce(q.scheduled_for, now()), 0, ''
FROM transactions AS q
WHERE q.status IN ('QUEUED', 'SCHEDULED')
  AND NOT EXISTS (
      SELECT FROM transactions AS c WHERE c.parent_transaction = q.transaction_id AND c.parent_transaction > ''
  )
ORDER BY q.created_at, q.number
