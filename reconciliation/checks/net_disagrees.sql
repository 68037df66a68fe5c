-- Purpose: Net is not credit less debit
-- Description: The balance must be its credits less its debits, and the inflight balance its inflight credits less
--   its inflight debits. The database of this product refuses anything else; a foreign database does not.
-- Verdict: fault
-- Runs: chunk
SELECT balance_id,
       format('The stored balance is %%s, but credits less debits are %%s; inflight %%s against %%s.',
              balance, credit_balance - debit_balance,
              inflight_balance, inflight_credit_balance - inflight_debit_balance) AS detail,
       NULL::text[] AS rows
FROM balances
WHERE (%(balance_ids)s::text[] IS NULL OR balance_id = ANY(%(balance_ids)s::text[]))
  AND (balance IS DISTINCT FROM credit_balance - debit_balance
       OR inflight_balance IS DISTINCT FROM inflight_credit_balance - inflight_debit_balance)
