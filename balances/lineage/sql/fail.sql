-- Purpose: count a failure; postpone the note for longer each time, and give up after the last attempt.
-- Parameters: id bigint, error text. Columns: status, locked_until.
UPDATE lineage_outbox
SET attempts = attempts + 1,
    status = CASE WHEN attempts + 1 < max_attempts THEN 'pending' ELSE 'failed' END,
    locked_until = CASE WHEN attempts + 1 < max_attempts THEN now() + make_interval(secs => 2 ^ attempts) END,
    last_error = %(error)s
WHERE id = %(id)s
RETURNING status, locked_until
