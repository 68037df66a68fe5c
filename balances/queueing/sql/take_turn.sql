-- Purpose: wait until no other worker is claiming entries and locking their balances.
-- Parameters: queue text; lock_wait text (a PostgreSQL interval), how long. Columns: taken, void.
-- Claims follow each other in order: where two have a balance in common, the earlier one locks it first.
SELECT pg_advisory_lock(hashtextextended('claims of ' || %(queue)s::text, 0)) AS taken
FROM (SELECT set_config('lock_timeout', %(lock_wait)s, true) AS lock_wait OFFSET 0) AS limited
WHERE limited.lock_wait IS NOT NULL
