-- What settles a hold: the one place that says which rows do.
--
-- A settlement hangs under its hold or, in a database of the original's, under the waiting row that the hold came from.
-- That row has another child: what became of it, whose reference is its own and _q. Of an applied or released row, this
-- tells whether it settles its parent. As minor_units, it is made for the planner to put its body in place of a call.
-- CASE, not OR: the planner looks for an index for each arm of an OR, which takes as long as reading a hold.
CREATE FUNCTION settles(reference text, parent_status text, parent_reference text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN parent_status = 'INFLIGHT' THEN true
                ELSE parent_status IN ('QUEUED', 'SCHEDULED') AND reference IS DISTINCT FROM parent_reference || '_q' END;
COMMENT ON FUNCTION settles IS
    'Whether an applied or released row settles its parent, a hold or the waiting row that a hold came from.';

-- From a hold: by its id and that of the row above it, which it may have come from.
CREATE FUNCTION settlements_of(hold_id text, above_id text)
    RETURNS TABLE (transaction_id text, status text, created_at timestamptz, units numeric)
    LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT c.transaction_id, c.status, c.created_at, minor_units(c.precise_amount, c.amount, c.precision)
    FROM (
        SELECT hold_id AS transaction_id, 'INFLIGHT' AS status, NULL AS reference
        UNION ALL
        SELECT q.transaction_id, q.status, q.reference
        FROM transactions AS q
        WHERE q.transaction_id = above_id AND q.status IN ('QUEUED', 'SCHEDULED')
    ) AS p
    JOIN transactions AS c
        ON c.parent_transaction = p.transaction_id AND c.parent_transaction > '' AND c.status IN ('APPLIED', 'VOID')
    WHERE settles(c.reference, p.status, p.reference);
END;
COMMENT ON FUNCTION settlements_of IS
    'Commits (APPLIED) and releases (VOID) of a hold, under it and under the waiting row that it came from.';

-- From rows, by transaction_id or parent_transaction. A waiting row of which no hold came has no settlements.
CREATE VIEW settlements AS
SELECT c.transaction_id, c.parent_transaction, c.status, c.source, c.destination, c.reference, c.created_at,
       minor_units(c.precise_amount, c.amount, c.precision) AS units,
       p.status <> 'INFLIGHT' AS is_under_waiting
FROM transactions AS c
JOIN transactions AS p ON p.transaction_id = c.parent_transaction
WHERE c.parent_transaction > '' AND c.status IN ('APPLIED', 'VOID')
  AND settles(c.reference, p.status, p.reference)
  AND (p.status = 'INFLIGHT' OR EXISTS (
      SELECT FROM transactions AS h
      WHERE h.parent_transaction = p.transaction_id AND h.parent_transaction > '' AND h.status = 'INFLIGHT'
  ));
COMMENT ON VIEW settlements IS
    'Rows that settle holds: commits (APPLIED) and releases (VOID), in minor units. is_under_waiting: under the waiting '
    'row that the hold came from, not under the hold.';
