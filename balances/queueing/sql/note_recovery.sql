-- Purpose: note in the metadata of queued rows that they were recovered. They have no children yet, and their outcomes
-- inherit the note.
-- Parameters: ids text[]; at text, the instant.
UPDATE transactions
SET meta_data = said || jsonb_build_object(
        'recovery_attempts',
        1 + CASE WHEN jsonb_typeof(said->'recovery_attempts') = 'number' THEN (said->>'recovery_attempts')::numeric
                 ELSE 0 END,
        'recovery_status', 'recovered',
        'recovery_last_attempt', %(at)s::text
    )
FROM (
    SELECT transaction_id AS id,
           CASE WHEN jsonb_typeof(meta_data) = 'object' THEN meta_data ELSE '{}'::jsonb END AS said
    FROM transactions
    WHERE transaction_id = ANY(%(ids)s::text[])
) AS taken
WHERE transaction_id = id
