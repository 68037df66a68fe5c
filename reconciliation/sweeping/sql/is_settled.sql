-- Purpose: whether the drift in a row of reconciliation_finding is gone according to the records since.
-- An expression for the ORM, not a statement.
-- The newest measurement since then says how much drift there was: none after a correction, otherwise that of its record;
-- without any measurement, that of the finding. Undoing a correction measures nothing; it adds to that drift.
SELECT drift.credit + taken_back.credit = 0
   AND drift.debit + taken_back.debit = 0
   AND drift.net + taken_back.net = 0
   AND drift.inflight_credit + taken_back.inflight_credit = 0
   AND drift.inflight_debit + taken_back.inflight_debit = 0
   AND drift.inflight_net + taken_back.inflight_net = 0
FROM (SELECT reconciliation_finding.*) AS found
LEFT JOIN LATERAL (
    SELECT * FROM reconciliation_reconstruction
    WHERE balance_id = found.balance_id AND executed_at > found.found_at
      AND (outcome <> 'undone' OR transaction_id IS NOT NULL)
    ORDER BY executed_at DESC, reconstruction_id DESC
    LIMIT 1
) AS record ON true
CROSS JOIN LATERAL (
    SELECT found.previous_credit_balance - found.recalculated_credit_balance AS credit,
           found.previous_debit_balance - found.recalculated_debit_balance AS debit,
           found.previous_balance - found.recalculated_balance AS net,
           found.previous_inflight_credit_balance - found.recalculated_inflight_credit_balance AS inflight_credit,
           found.previous_inflight_debit_balance - found.recalculated_inflight_debit_balance AS inflight_debit,
           found.previous_inflight_balance - found.recalculated_inflight_balance AS inflight_net
    WHERE record.outcome IS NULL
    UNION ALL
    SELECT record.previous_credit_balance - record.recalculated_credit_balance,
           record.previous_debit_balance - record.recalculated_debit_balance,
           record.previous_balance - record.recalculated_balance,
           record.previous_inflight_credit_balance - record.recalculated_inflight_credit_balance,
           record.previous_inflight_debit_balance - record.recalculated_inflight_debit_balance,
           record.previous_inflight_balance - record.recalculated_inflight_balance
    WHERE record.outcome <> 'corrected'
    UNION ALL
    SELECT 0, 0, 0, 0, 0, 0
    WHERE record.outcome = 'corrected'
) AS drift
CROSS JOIN LATERAL (
    SELECT coalesce(sum(recalculated_credit_balance - previous_credit_balance), 0) AS credit,
           coalesce(sum(recalculated_debit_balance - previous_debit_balance), 0) AS debit,
           coalesce(sum(recalculated_balance - previous_balance), 0) AS net,
           coalesce(sum(recalculated_inflight_credit_balance - previous_inflight_credit_balance), 0) AS inflight_credit,
           coalesce(sum(recalculated_inflight_debit_balance - previous_inflight_debit_balance), 0) AS inflight_debit,
           coalesce(sum(recalculated_inflight_balance - previous_inflight_balance), 0) AS inflight_net
    FROM reconciliation_reconstruction
    WHERE balance_id = found.balance_id AND executed_at > coalesce(record.executed_at, found.found_at)
      AND outcome = 'undone' AND transaction_id IS NULL
) AS taken_back
