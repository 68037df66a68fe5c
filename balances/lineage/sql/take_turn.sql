-- Purpose: be the one that traces, until the transaction ends; tell whether somebody else does.
-- Parameters: task text. Columns: taken, boolean.
-- One at a time, so that what touches a common balance is traced in order. A killed one gives it back with its
-- connection.
SELECT pg_try_advisory_xact_lock(hashtextextended('turn of ' || %(task)s::text, 0)) AS taken
