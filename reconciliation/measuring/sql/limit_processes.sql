-- Purpose: limit the processes of the server for one statement, until the end of the transaction: never above what the
-- server allows anyway. Parameters: most int. Columns: workers, the setting.
SELECT set_config('max_parallel_workers_per_gather',
                  least(current_setting('max_parallel_workers_per_gather')::int, %(most)s)::text, true) AS workers
