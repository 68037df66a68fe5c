-- Purpose: limit how long each statement of this transaction may run.
-- Parameters: limit text (a PostgreSQL interval). Columns: statement_timeout.
SELECT set_config('statement_timeout', %(limit)s, true) AS statement_timeout
