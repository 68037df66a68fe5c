-- Purpose: mark traced notes as completed. Parameters: ids bigint[]. Columns: none.
UPDATE lineage_outbox
SET status = 'completed', processed_at = now(), locked_until = NULL
WHERE id = ANY(%(ids)s::bigint[])
