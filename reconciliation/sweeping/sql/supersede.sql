-- Purpose: note with the findings of earlier sweeps that a sweep has measured their balances by now.
-- Parameters: sweep_id text; after, through text (keys; the first excluded, the last included); balance_ids text[]
-- (NULL for all between the keys); measured_at timestamptz; checks text[] (those that this sweep has run on them).
-- A finding with a fault or a remark is not superseded before a sweep has looked for that fault again.
-- Rows are locked in one order, so that two sweeps over the same balances do not wait for each other.
WITH earlier AS MATERIALIZED (
    SELECT f.finding_id,
           NOT EXISTS (
               SELECT FROM jsonb_array_elements(f.faults || f.not_proved || f.remarks) AS fault
               WHERE fault ->> 'check' <> ALL(%(checks)s::text[])
           ) AS is_answered
    FROM reconciliation_finding AS f
    WHERE f.superseded_by IS NULL
      AND f.balance_id > %(after)s AND f.balance_id <= %(through)s
      AND (%(balance_ids)s::text[] IS NULL OR f.balance_id = ANY(%(balance_ids)s::text[]))
      AND f.sweep_id <> %(sweep_id)s
      AND f.found_at < %(measured_at)s
    ORDER BY f.balance_id, f.finding_id
    FOR NO KEY UPDATE OF f
)
UPDATE reconciliation_finding AS f
SET remeasured_by = %(sweep_id)s, superseded_by = CASE WHEN earlier.is_answered THEN %(sweep_id)s END
FROM earlier
WHERE f.finding_id = earlier.finding_id
