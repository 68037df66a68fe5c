-- Purpose: A side is below zero
-- Description: Credits, debits and both inflight sides only ever add up what was moved or held. One that is below zero
--   was taken back more often than it was added, as when a hold is released twice.
-- Verdict: fault
-- Runs: chunk
SELECT balance_id,
       format('Below zero: %%s.', concat_ws(', ',
           CASE WHEN credit_balance < 0 THEN 'credits ' || credit_balance END,
           CASE WHEN debit_balance < 0 THEN 'debits ' || debit_balance END,
           CASE WHEN inflight_credit_balance < 0 THEN 'inflight credits ' || inflight_credit_balance END,
           CASE WHEN inflight_debit_balance < 0 THEN 'inflight debits ' || inflight_debit_balance END)) AS detail,
       NULL::text[] AS rows
FROM balances
WHERE (%(balance_ids)s::text[] IS NULL OR balance_id = ANY(%(balance_ids)s::text[]))
  AND least(credit_balance, debit_balance, inflight_credit_balance, inflight_debit_balance) < 0
