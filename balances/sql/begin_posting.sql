-- Purpose: limit how long this posting waits for a lock, and look for its reference.
-- Parameters: reference text, lock_wait text (a PostgreSQL interval). Columns: used, boolean.
SELECT EXISTS (SELECT FROM transactions WHERE reference = %(reference)s) AS used,
       set_config('lock_timeout', %(lock_wait)s, true) AS lock_wait
