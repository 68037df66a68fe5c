-- Purpose: add entries to the queue, in order.
-- Parameters: an array of equal length for each column; due_at timestamptz[], where NULL or a past instant means now.
-- Columns: transaction_id of each added entry; a settlement is not added where one waits already.
-- now() is the server's, so clients' clocks do not decide the order, and a past date does not put a settlement before
-- its hold.
INSERT INTO queueing_entry (
    action, transaction_id, group_id, units, action_id, is_timer, inflight, allow_overdraft, overdraft_limit,
    inflight_expiry_date, inflight_commit_date, due_at, attempts, last_error
)
SELECT e.action, e.transaction_id, e.group_id, e.units, e.action_id, e.is_timer, e.inflight, e.allow_overdraft,
       e.overdraft_limit, e.inflight_expiry_date, e.inflight_commit_date, greatest(e.due_at, now()), 0, ''
FROM unnest(
    %(action)b::text[], %(transaction_id)b::text[], %(group_id)b::text[], %(units)s::numeric[], %(action_id)b::text[],
    %(is_timer)b::boolean[], %(inflight)b::boolean[], %(allow_overdraft)b::boolean[], %(overdraft_limit)s::numeric[],
    %(inflight_expiry_date)b::timestamptz[], %(inflight_commit_date)b::timestamptz[], %(due_at)b::timestamptz[]
) WITH ORDINALITY AS e (action, transaction_id, group_id, units, action_id, is_timer, inflight, allow_overdraft,
                        overdraft_limit, inflight_expiry_date, inflight_commit_date, due_at, place)
ORDER BY e.place
ON CONFLICT DO NOTHING
RETURNING transaction_id
