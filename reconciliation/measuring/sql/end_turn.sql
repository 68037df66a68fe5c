-- Purpose: give a place back. Parameters: place int. Columns: given, boolean.
SELECT pg_advisory_unlock(hashtext('measuring'), %(place)s) AS given
