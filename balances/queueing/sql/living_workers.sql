-- Purpose: count the background workers that live: they beat every ten seconds, and a killed one leaves its row behind.
-- Columns: living int.
-- Both instants are the database's. One far ahead was left by a clock that has been set back since.
SELECT count(*) AS living
FROM procrastinate_workers
WHERE last_heartbeat BETWEEN now() - interval '30 s' AND now() + interval '30 s'
