-- Purpose: the state of a row of reconciliation_finding, in the words of reconciliation.sweeping.State.
-- An expression for the ORM, not a statement. HAS_FAULT is replaced by the expression of that name, UNBROKEN by
-- unbroken.sql.
-- The newest measurement since then says how much drift there was: none after a correction, otherwise that of its record;
-- without any measurement, that of the finding. Undoing a correction measures nothing; it adds to that drift.
SELECT CASE
    WHEN found.superseded_by IS NULL AND found.drifted AND is_gone AND HAS_FAULT THEN 'fault open'
    WHEN NOT is_gone OR (found.superseded_by IS NULL AND HAS_FAULT) THEN
        CASE
            WHEN EXISTS (
                SELECT FROM (
                    SELECT * FROM reconciliation_acceptance
                    WHERE balance_id = found.balance_id
                    ORDER BY decided_at DESC, acceptance_id DESC
                    LIMIT 1
                ) AS newest
                JOIN reconciliation_finding AS first ON first.finding_id = newest.finding_id
                WHERE newest.kind = 'accepted'
                  AND newest.credit_balance = drift.credit AND newest.debit_balance = drift.debit
                  AND newest.balance = drift.net
                  AND newest.inflight_credit_balance = drift.inflight_credit
                  AND newest.inflight_debit_balance = drift.inflight_debit
                  AND newest.inflight_balance = drift.inflight_net
                  AND NOT EXISTS (
                      SELECT FROM jsonb_array_elements(found.faults || found.not_proved || found.remarks) AS each
                      WHERE NOT newest.checks @> jsonb_build_array(each -> 'check')
                  )
                  AND NOT EXISTS (
                      SELECT FROM reconciliation_reconstruction AS record
                      WHERE record.balance_id = found.balance_id AND record.executed_at > newest.decided_at
                        AND record.outcome IN ('corrected', 'rebooked')
                  )
                  AND NOT EXISTS (
                      SELECT FROM reconciliation_finding AS other
                      WHERE other.balance_id = found.balance_id
                        AND other.found_at > first.found_at AND other.found_at < found.found_at
                        AND (other.previous_credit_balance - other.recalculated_credit_balance,
                             other.previous_debit_balance - other.recalculated_debit_balance,
                             other.previous_balance - other.recalculated_balance,
                             other.previous_inflight_credit_balance - other.recalculated_inflight_credit_balance,
                             other.previous_inflight_debit_balance - other.recalculated_inflight_debit_balance,
                             other.previous_inflight_balance - other.recalculated_inflight_balance)
                            IS DISTINCT FROM
                            (newest.credit_balance, newest.debit_balance, newest.balance,
                             newest.inflight_credit_balance, newest.inflight_debit_balance, newest.inflight_balance)
                  )
                  AND UNBROKEN
            ) THEN 'accepted'
            WHEN is_gone THEN 'open'
            WHEN EXISTS (
                SELECT FROM reconciliation_plan AS plan
                JOIN reconciliation_planitem AS item ON item.plan_id = plan.plan_id
                WHERE plan.state IN ('proposed', 'approved', 'applying') AND NOT plan.undoing
                  AND item.balance_id = found.balance_id AND item.outcome IS NULL
            ) THEN 'planned'
            WHEN change.takes_back THEN 'taken back'
            ELSE 'open'
        END
    WHEN NOT change.takes_back THEN 'corrected'
    WHEN EXISTS (
        SELECT FROM reconciliation_finding AS later
        WHERE later.sweep_id = coalesce(found.superseded_by, found.remeasured_by)
          AND later.balance_id = found.balance_id
    ) THEN 'measured again'
    ELSE 'gone'
END
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
) AS measured
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
CROSS JOIN LATERAL (
    SELECT measured.credit + taken_back.credit AS credit,
           measured.debit + taken_back.debit AS debit,
           measured.net + taken_back.net AS net,
           measured.inflight_credit + taken_back.inflight_credit AS inflight_credit,
           measured.inflight_debit + taken_back.inflight_debit AS inflight_debit,
           measured.inflight_net + taken_back.inflight_net AS inflight_net
) AS drift
CROSS JOIN LATERAL (
    SELECT found.remeasured_by IS NOT NULL
        OR (drift.credit = 0 AND drift.debit = 0 AND drift.net = 0
            AND drift.inflight_credit = 0 AND drift.inflight_debit = 0 AND drift.inflight_net = 0) AS is_gone
) AS judged
-- The last thing that was done about it, before the balance was found wrong again.
LEFT JOIN LATERAL (
    SELECT act.outcome = 'undone' AND undone.outcome IS DISTINCT FROM 'undone' AS takes_back
    FROM reconciliation_reconstruction AS act
    LEFT JOIN reconciliation_reconstruction AS undone ON undone.reconstruction_id = act.undoes
    WHERE act.balance_id = found.balance_id AND act.executed_at > found.found_at
      AND act.outcome IN ('corrected', 'rebooked', 'undone')
      AND NOT EXISTS (
          SELECT FROM reconciliation_finding AS later
          WHERE later.balance_id = found.balance_id
            AND later.found_at > found.found_at AND later.found_at < act.executed_at
      )
    ORDER BY act.executed_at DESC, act.reconstruction_id DESC
    LIMIT 1
) AS change ON true
