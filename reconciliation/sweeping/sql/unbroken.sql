-- Purpose: whether a finding (found) goes on with an earlier one of its balance (first), or is that one: no sweep in
-- between found the balance right, and no correction in between stands. A condition, not a statement.
first.found_at <= found.found_at
AND NOT EXISTS (
    SELECT FROM reconciliation_finding AS other
    WHERE other.balance_id = found.balance_id
      AND other.found_at >= first.found_at AND other.found_at < found.found_at
      AND other.remeasured_by IS NOT NULL
      AND NOT EXISTS (
          SELECT FROM reconciliation_finding AS again
          WHERE again.sweep_id = other.remeasured_by AND again.balance_id = other.balance_id
      )
)
AND NOT EXISTS (
    SELECT FROM reconciliation_reconstruction AS record
    WHERE record.balance_id = found.balance_id
      AND record.executed_at > first.found_at AND record.executed_at <= found.found_at
      AND record.outcome = 'corrected'
      AND NOT EXISTS (
          SELECT FROM reconciliation_reconstruction AS undo WHERE undo.undoes = record.reconstruction_id
      )
)
