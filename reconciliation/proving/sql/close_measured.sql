-- Purpose: close breaks that a full proof has measured and found right since.
-- Parameters: stream bigint; sweep text; at timestamptz; deep boolean (whether every check ran). Columns: break_id.
-- Those of balances that drift by that sweep stay open: they say which commit it was. Changed and deleted rows can add up
-- all the same: those stay open until a deep one finds no fault. So does a deleted balance until it is there again.
UPDATE reconciliation_break AS b
SET state = 'measured', closed_at = %(at)s, closed_by = %(sweep)s
WHERE b.closed_at IS NULL AND b.state IN ('waiting', 'open')
  AND NOT EXISTS (
      SELECT FROM reconciliation_finding AS f
      WHERE f.sweep_id = %(sweep)s AND f.balance_id = b.balance_id AND f.drifted
  )
  AND (b.stream < %(stream)s
       OR coalesce(pg_visible_in_snapshot(b.xid::text::xid8, measured_in(%(sweep)s, b.balance_id)), true))
  AND (b.kind NOT IN ('row_changed', 'row_deleted', 'truncated') OR (%(deep)s AND NOT EXISTS (
      SELECT FROM reconciliation_finding AS f
      WHERE f.sweep_id = %(sweep)s AND f.balance_id = b.balance_id AND f.faults <> '[]'
  )))
  AND (b.kind <> 'balance_deleted' OR EXISTS (SELECT FROM balances AS there WHERE there.balance_id = b.balance_id))
RETURNING b.break_id
