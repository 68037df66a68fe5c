-- Purpose: limit how long the rest of the atomic block waits for a lock.
-- Parameters: lock_wait text (a PostgreSQL interval). Columns: lock_wait.
SELECT set_config('lock_timeout', %(lock_wait)s, true) AS lock_wait
