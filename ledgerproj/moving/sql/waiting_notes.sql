-- Purpose: the movements of a database of Blnk's whose funds are still to be traced. Parameters: schema, put in by the
-- caller. Columns: notes bigint.
SELECT count(*) AS notes FROM {schema}.lineage_outbox WHERE status IN ('pending', 'processing') AND attempts < max_attempts
