-- Purpose: write how applying ended for the items of one chunk.
-- Parameters: ids bigint[]; outcomes, notes, record_ids text[], as many, record_ids null where none was left.
-- Columns: id. The caller has locked the rows.
UPDATE reconciliation_planitem AS i
SET outcome = s.outcome, note = s.note, record_id = s.record_id
FROM unnest(%(ids)s::bigint[], %(outcomes)s::text[], %(notes)s::text[], %(record_ids)s::text[])
    AS s (id, outcome, note, record_id)
WHERE i.id = s.id
RETURNING i.id
