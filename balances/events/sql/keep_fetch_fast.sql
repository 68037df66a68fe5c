-- Purpose: make again what a migration of procrastinate took away. The migration 0002_backlog says what each is for.
CREATE INDEX IF NOT EXISTS jobs_but_webhooks ON procrastinate_jobs (priority DESC, id)
    WHERE status = 'todo' AND queue_name NOT IN ('webhooks', 'webhooks_waiting');
CREATE INDEX IF NOT EXISTS jobs_webhooks ON procrastinate_jobs (priority DESC, id)
    WHERE status = 'todo' AND queue_name = 'webhooks';
CREATE INDEX IF NOT EXISTS jobs_webhooks_waiting ON procrastinate_jobs (scheduled_at)
    WHERE status = 'todo' AND queue_name = 'webhooks_waiting';
ALTER FUNCTION procrastinate_fetch_job_v2(character varying[], bigint) SET plan_cache_mode = force_custom_plan
