-- Purpose: close breaks that a full proof has measured and found right since.
-- Parameters: stream bigint; sweep text; at timestamptz; deep boolean (whether every check ran). Columns: break_id.
-- Those of balances that drift by that sweep stay open: they say which commit it was. Changed and deleted rows can add
-- up all the same: those stay open until a deep one finds no fault. So does a deleted balance until it is there again,
-- one that cannot be read until it can be judged, and an emptied table until a deep one finds nothing wrong with as many
-- balances as there were. What a commit did besides is in details.
UPDATE reconciliation_break AS b
SET state = 'measured', closed_at = %(at)s, closed_by = %(sweep)s
FROM reconciliation_sweep AS s
WHERE s.sweep_id = %(sweep)s AND b.closed_at IS NULL AND b.state IN ('waiting', 'open')
  AND NOT EXISTS (
      SELECT FROM reconciliation_finding AS f
      WHERE f.sweep_id = %(sweep)s AND f.balance_id = b.balance_id AND f.drifted
  )
  AND (b.stream < %(stream)s
       OR coalesce(pg_visible_in_snapshot(b.xid::text::xid8, measured_in(%(sweep)s, b.balance_id)), true))
  AND (NOT (b.kind IN ('row_changed', 'row_deleted')
            OR coalesce(b.details -> 'also', '[]') ?| '{row_changed,row_deleted}')
       OR (%(deep)s AND NOT EXISTS (
           SELECT FROM reconciliation_finding AS f
           WHERE f.sweep_id = %(sweep)s AND f.balance_id = b.balance_id AND f.faults <> '[]'
       )))
  AND (NOT (b.kind = 'balance_deleted' OR coalesce(b.details -> 'also', '[]') ? 'balance_deleted')
       OR EXISTS (SELECT FROM balances AS there WHERE there.balance_id = b.balance_id))
  AND (NOT (b.kind = 'unreadable' OR coalesce(b.details -> 'also', '[]') ? 'unreadable')
       OR NOT EXISTS (
           SELECT FROM reconciliation_finding AS f
           WHERE f.sweep_id = %(sweep)s AND f.balance_id = b.balance_id AND f.not_proved <> '[]'
       ))
  AND (b.kind <> 'truncated'
       OR (%(deep)s AND s.measured >= s.total AND s.total >= coalesce((b.details ->> 'balances')::bigint, 0)
           AND NOT EXISTS (
           SELECT FROM reconciliation_finding AS f
           WHERE f.sweep_id = %(sweep)s AND (f.drifted OR f.faults <> '[]' OR f.not_proved <> '[]')
       )))
RETURNING b.break_id
