-- Purpose: what holds of the newest assignment for a row of reconciliation_finding, also where an earlier finding of the
-- same case was assigned. An expression for the ORM, not a statement. COLUMN is replaced by the column, UNBROKEN by
-- unbroken.sql.
SELECT newest.COLUMN
FROM (
    SELECT * FROM reconciliation_assignment
    WHERE balance_id = reconciliation_finding.balance_id AND kind = 'finding'
    ORDER BY assigned_at DESC, assignment_id DESC
    LIMIT 1
) AS newest
JOIN reconciliation_finding AS first ON first.finding_id = newest.object_id
CROSS JOIN LATERAL (SELECT reconciliation_finding.*) AS found
WHERE UNBROKEN
