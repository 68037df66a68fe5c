-- Purpose: tell whether a job waits already that will look at the queue after this transaction has ended.
-- Parameters: lock text, the queueing lock of such jobs. Columns: called, boolean.
SELECT EXISTS (
    SELECT FROM procrastinate_jobs
    WHERE queueing_lock = %(lock)s AND status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())
) AS called
