-- Purpose: how long the queue's oldest entry has been due. Columns: seconds numeric, 0 where nothing is due.
SELECT greatest(extract(epoch FROM now() - min(due_at)), 0) AS seconds
FROM queueing_entry
