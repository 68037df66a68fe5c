-- Purpose: whether no transaction is adding work; if so, others cannot begin to until this transaction ends.
-- Parameters: lock text. Columns: quiet, boolean.
SELECT pg_try_advisory_xact_lock(hashtextextended(%(lock)s::text, 0)) AS quiet
