-- Purpose: close breaks that a full proof has measured and found right since.
-- Parameters: stream bigint; sweep text; at timestamptz. Columns: break_id.
-- Those of balances that drift by that sweep stay open: they say which commit it was.
UPDATE reconciliation_break AS b
SET state = 'measured', closed_at = %(at)s, closed_by = %(sweep)s
WHERE b.closed_at IS NULL AND b.state IN ('waiting', 'open')
  AND NOT EXISTS (
      SELECT FROM reconciliation_finding AS f
      WHERE f.sweep_id = %(sweep)s AND f.balance_id = b.balance_id AND f.drifted
  )
  AND (b.stream < %(stream)s
       OR coalesce(pg_visible_in_snapshot(b.xid::text::xid8, measured_in(%(sweep)s, b.balance_id)), true))
RETURNING b.break_id
