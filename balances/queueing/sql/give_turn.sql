-- Purpose: let the next worker claim entries, and tell whether some that come before one's own have become free.
-- Parameters: queue text; first bigint, the first entry that was claimed, NULL: nothing comes before it.
-- Columns: overtakes boolean; given boolean.
-- What others have claimed is passed over. Looked for before the turn is given, so that nobody claims it in between.
WITH before AS MATERIALIZED (
    SELECT e.id
    FROM queueing_entry AS f
    JOIN queueing_entry AS e ON (e.due_at, e.id) < (f.due_at, f.id)
    WHERE f.id = %(first)s::bigint
    ORDER BY e.due_at, e.id
    LIMIT 1
    FOR UPDATE OF e SKIP LOCKED
)
SELECT EXISTS (SELECT FROM before) AS overtakes,
       pg_advisory_unlock(hashtextextended('claims of ' || %(queue)s::text, 0)) AS given
