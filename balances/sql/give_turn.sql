-- Purpose: let the next worker claim entries. Parameters: queue text. Columns: given, boolean.
SELECT pg_advisory_unlock(hashtextextended('claims of ' || %(queue)s::text, 0)) AS given
