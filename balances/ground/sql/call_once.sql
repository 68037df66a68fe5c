-- Purpose: defer a job, unless one already waits that will look for work after this transaction has ended.
-- Parameters: task, queue text; the task is its queueing lock as well. Columns: id.
-- Not by procrastinate's function: of two who call at once, the second would fail, with all that its transaction did.
INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock)
SELECT %(queue)s::text, %(task)s::text, %(task)s::text
WHERE NOT EXISTS (
    SELECT FROM procrastinate_jobs
    WHERE queueing_lock = %(task)s::text AND status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())
)
ON CONFLICT (queueing_lock) WHERE status = 'todo' DO NOTHING
RETURNING id
