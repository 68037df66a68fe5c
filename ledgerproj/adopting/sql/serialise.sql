-- Purpose: let one process at a time adopt this database or leave it, until its connection ends. Parameters: none. Columns: none of interest.
SELECT pg_advisory_lock(hashtextextended('adopt', 0))
