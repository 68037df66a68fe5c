-- Purpose: limit how long each further statement of the atomic block may take.
-- Parameters: limit text (a PostgreSQL interval). Columns: limited.
SELECT set_config('statement_timeout', %(limit)s, true) AS limited
