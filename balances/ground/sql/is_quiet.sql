-- Purpose: tell whether nobody is about to add entries, and keep others from beginning to until the transaction ends.
-- Parameters: lock text. Columns: quiet, boolean.
SELECT pg_try_advisory_xact_lock(hashtextextended(%(lock)s::text, 0)) AS quiet
