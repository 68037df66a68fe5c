-- Purpose: give the worker of webhooks what waited for its next try and is due now.
-- Parameters: waiting, queue (text).
UPDATE procrastinate_jobs
SET queue_name = %(queue)s
WHERE queue_name = %(waiting)s
  AND status = 'todo'
  AND scheduled_at <= now()
