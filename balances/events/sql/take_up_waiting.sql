-- Purpose: hand deliveries whose next attempt is due to the worker of webhooks.
-- Parameters: waiting, queue (text).
UPDATE procrastinate_jobs
SET queue_name = %(queue)s
WHERE queue_name = %(waiting)s
  AND status = 'todo'
  AND scheduled_at <= now()
