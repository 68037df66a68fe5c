-- Purpose: let the next worker claim entries, and return whether entries before the claimed ones have become free.
-- Parameters: queue text; first bigint, the first claimed entry, or NULL where order does not matter.
-- Columns: overtakes boolean; given boolean.
-- Entries that others have claimed are skipped. The check comes before the turn ends, so that no one claims in between.
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
