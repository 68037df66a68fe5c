-- Purpose: whether a job already waits that will look for work after this transaction has ended.
-- Parameters: queueing_lock text, of such jobs. Columns: called, boolean.
SELECT EXISTS (
    SELECT FROM procrastinate_jobs
    WHERE queueing_lock = %(queueing_lock)s AND status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())
) AS called
