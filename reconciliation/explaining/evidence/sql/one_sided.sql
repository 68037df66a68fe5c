-- Purpose: on which applied sides the balances of ledgers drift, as a sweep found them.
-- Parameters: ledger_ids text[]; sweep_id text: of that sweep, or where it is NULL of the newest finished one of everything.
-- Columns: ledger_id, credit, debit, inflight (boolean): which of these are off; is_more: whether the net is too
-- much; balances: how many there are of a kind.
SELECT f.ledger_id,
       f.previous_credit_balance <> f.recalculated_credit_balance AS credit,
       f.previous_debit_balance <> f.recalculated_debit_balance AS debit,
       (f.previous_inflight_credit_balance, f.previous_inflight_debit_balance)
           <> (f.recalculated_inflight_credit_balance, f.recalculated_inflight_debit_balance) AS inflight,
       f.previous_balance > f.recalculated_balance AS is_more,
       count(*) AS balances
FROM reconciliation_finding AS f
WHERE f.ledger_id = ANY (%(ledger_ids)s::text[]) AND f.drifted
  AND f.sweep_id = coalesce(%(sweep_id)s::text, (
      SELECT s.sweep_id FROM reconciliation_sweep AS s
      WHERE s.state = 'finished' AND (s.scope ->> 'everything')::boolean
      ORDER BY s.requested_at DESC
      LIMIT 1
  ))
GROUP BY 1, 2, 3, 4, 5
