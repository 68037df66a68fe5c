-- Purpose: put findings into their incidents.
-- Parameters: finding_ids text[], incident_ids text[], as many of each. Columns: finding_id of each that was put.
UPDATE reconciliation_finding AS f
SET incident_id = given.incident_id
FROM unnest(%(finding_ids)s::text[], %(incident_ids)s::text[]) AS given (finding_id, incident_id)
WHERE f.finding_id = given.finding_id
RETURNING f.finding_id
