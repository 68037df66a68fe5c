-- Purpose: what is missing of the indexes and the function that keep a backlog of webhooks from slowing down workers.
-- Columns: missing, text: an index, or the setting of the function that fetches jobs.
SELECT wanted.missing
FROM (
    VALUES
        ('jobs_but_webhooks', to_regclass('jobs_but_webhooks') IS NOT NULL),
        ('jobs_webhooks', to_regclass('jobs_webhooks') IS NOT NULL),
        ('jobs_webhooks_waiting', to_regclass('jobs_webhooks_waiting') IS NOT NULL),
        ('plan_cache_mode of procrastinate_fetch_job_v2', EXISTS (
            SELECT FROM pg_proc
            WHERE proname = 'procrastinate_fetch_job_v2' AND 'plan_cache_mode=force_custom_plan' = ANY (proconfig)
        ))
) AS wanted (missing, is_there)
WHERE NOT wanted.is_there AND EXISTS (SELECT FROM django_migrations WHERE app = 'hooks' AND name = '0002_backlog')
