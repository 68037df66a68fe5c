-- Purpose: become the only worker that traces, until the transaction ends, unless another one does.
-- Parameters: task text; lock_wait text (a PostgreSQL interval), how long the rest of the transaction waits for a lock.
-- Columns: taken, boolean; lock_wait.
-- One at a time, so that movements with a balance in common are traced in order. A killed worker gives its turn back
-- with its connection.
SELECT pg_try_advisory_xact_lock(hashtextextended('turn of ' || %(task)s::text, 0)) AS taken,
       set_config('lock_timeout', %(lock_wait)s, true) AS lock_wait
