-- What a receiver that is slow or gone leaves behind may be long, and must cost nobody else a thing. procrastinate has
-- one index of all jobs that wait, and looks through what is in front of a worker's own: with 200,000 webhooks waiting
-- that took 100 to 300 ms for every posting. With these, each fetch takes the first entry of an index of its own.

-- procrastinate_fetch_job_v2: for the workers of everything but webhooks.
CREATE INDEX jobs_but_webhooks ON procrastinate_jobs (priority DESC, id)
    WHERE status = 'todo' AND queue_name NOT IN ('webhooks', 'webhooks_waiting');
-- The same for the worker of webhooks, which sees only those that are due, or soon will be.
CREATE INDEX jobs_webhooks ON procrastinate_jobs (priority DESC, id)
    WHERE status = 'todo' AND queue_name = 'webhooks';
-- take_up_waiting.sql: those that have become due.
CREATE INDEX jobs_webhooks_waiting ON procrastinate_jobs (scheduled_at)
    WHERE status = 'todo' AND queue_name = 'webhooks_waiting';

-- Partial indexes serve only a plan that knows the queues.
ALTER FUNCTION procrastinate_fetch_job_v2(character varying[], bigint) SET plan_cache_mode = force_custom_plan;
