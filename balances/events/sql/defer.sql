-- Purpose: defer jobs in the caller's transaction, in the order given, by procrastinate's own function.
-- One parameter holds them all: as an array of composite values, which procrastinate's client would send, every
-- quotation mark in them is escaped twice, and that takes four times as long.
-- Parameters: queue (text), jobs (json: an array of objects with a task and its args).
-- Columns: ids.
SELECT procrastinate_defer_jobs_v1(
    array_agg(
        ROW(%(queue)s, job ->> 'task', 0, NULL, NULL, (job -> 'args')::jsonb, NULL)::procrastinate_job_to_defer_v1
        ORDER BY number
    )
) AS ids
FROM json_array_elements(%(jobs)s::json) WITH ORDINALITY AS given (job, number)
