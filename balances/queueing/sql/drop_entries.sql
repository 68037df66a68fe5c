-- Purpose: delete entries that are done, and postpone others.
-- Parameters: done bigint[]; later bigint[] and for each delays int[], in seconds, and errors text[]; an empty error
-- is no failed attempt. Columns: dropped, the number taken out.
WITH put_off AS (
    UPDATE queueing_entry AS e
    SET due_at = now() + make_interval(secs => l.delay),
        attempts = e.attempts + (l.error > '')::int,
        last_error = l.error
    FROM unnest(%(later)s::bigint[], %(delays)s::int[], %(errors)s::text[]) AS l (id, delay, error)
    WHERE e.id = l.id
), dropped AS (
    DELETE FROM queueing_entry WHERE id = ANY(%(done)s::bigint[]) RETURNING 1
)
SELECT count(*) AS dropped FROM dropped
