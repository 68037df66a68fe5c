-- Purpose: move stored totals as a buggy writer would that is known to the journal: drills and tests only.
-- Parameters: balance_id text; credit, debit, inflight_credit, inflight_debit numeric and version integer, to be added.
-- Columns: balance_id. The mark is the one of postings, so the edit journal takes this for a posting.
UPDATE balances
SET credit_balance = credit_balance + %(credit)s,
    debit_balance = debit_balance + %(debit)s,
    balance = balance + %(credit)s - %(debit)s,
    inflight_credit_balance = inflight_credit_balance + %(inflight_credit)s,
    inflight_debit_balance = inflight_debit_balance + %(inflight_debit)s,
    inflight_balance = inflight_balance + %(inflight_credit)s - %(inflight_debit)s,
    version = version + %(version)s
WHERE balance_id = %(balance_id)s
  AND set_config('ledger.writer', statement_timestamp()::text, true) IS NOT NULL
RETURNING balance_id
