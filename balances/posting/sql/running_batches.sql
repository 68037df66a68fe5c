-- Purpose: count the batches that run in the background, or wait to. Parameters: task text. Columns: running.
SELECT count(*) AS running
FROM procrastinate_jobs
WHERE task_name = %(task)s AND status IN ('todo', 'doing')
