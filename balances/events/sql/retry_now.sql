-- Purpose: retry deliveries at once, both those that wait for their next attempt and those that were given up.
-- Parameters: job_ids (bigint[]), waiting, queue (text).
-- Columns: id of each job that will run; the others are running, or have delivered, or are forgotten.
UPDATE procrastinate_jobs
SET status = 'todo', queue_name = %(queue)s, scheduled_at = now()
WHERE id = ANY(%(job_ids)s)
  AND queue_name IN (%(queue)s, %(waiting)s)
  AND status IN ('todo', 'failed')
RETURNING id
