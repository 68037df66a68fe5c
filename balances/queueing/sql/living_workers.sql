-- Purpose: count the workers that are alive: they beat every ten seconds, and a killed one leaves its row behind.
-- Columns: living int.
-- Both instants are the database's. One far ahead comes from a clock that was set back since.
SELECT count(*) AS living
FROM procrastinate_workers
WHERE last_heartbeat BETWEEN now() - interval '30 s' AND now() + interval '30 s'
