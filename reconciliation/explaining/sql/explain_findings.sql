-- Purpose: write explanations into many findings at once.
-- Parameters: finding_ids text[]; as many explanations text[] (JSON), causes text[], explained and unexplained
-- numeric[], last_right_at and first_wrong_at timestamptz[]. Columns: finding_id.
UPDATE reconciliation_finding AS f
SET explained_at = statement_timestamp(),
    explanations = given.explanations::jsonb,
    cause = given.cause,
    explained = given.explained,
    unexplained = given.unexplained,
    last_right_at = given.last_right_at,
    first_wrong_at = given.first_wrong_at
FROM unnest(
    %(finding_ids)s::text[], %(explanations)s::text[], %(causes)s::text[], %(explained)s::numeric[],
    %(unexplained)s::numeric[], %(last_right_at)s::timestamptz[], %(first_wrong_at)s::timestamptz[]
) AS given (finding_id, explanations, cause, explained, unexplained, last_right_at, first_wrong_at)
WHERE f.finding_id = given.finding_id
RETURNING f.finding_id
