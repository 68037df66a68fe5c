-- Purpose: take one of the places of those that measure at once, until it is given back or the connection ends.
-- Parameters: most int, the number of places. Columns: place int; no row where all are taken.
SELECT place
FROM generate_series(1, %(most)s) AS place
WHERE pg_try_advisory_lock(hashtext('measuring'), place)
LIMIT 1
