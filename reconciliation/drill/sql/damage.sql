-- Purpose: move stored totals as a writer would that the journal takes for the posting path: drills and tests only.
-- Parameters: balance_ids text[]; as many credits, debits, inflight_credits, inflight_debits numeric[] and versions
-- int[], to be added. Columns: balance_id. The mark is the one of postings, so no edit is journaled.
UPDATE balances AS b
SET credit_balance = b.credit_balance + m.credit,
    debit_balance = b.debit_balance + m.debit,
    balance = b.balance + m.credit - m.debit,
    inflight_credit_balance = b.inflight_credit_balance + m.inflight_credit,
    inflight_debit_balance = b.inflight_debit_balance + m.inflight_debit,
    inflight_balance = b.inflight_balance + m.inflight_credit - m.inflight_debit,
    version = b.version + m.version
FROM unnest(
    %(balance_ids)s::text[], %(credits)s::numeric[], %(debits)s::numeric[], %(inflight_credits)s::numeric[],
    %(inflight_debits)s::numeric[], %(versions)s::int[]
) AS m (balance_id, credit, debit, inflight_credit, inflight_debit, version)
WHERE b.balance_id = m.balance_id
  AND set_config('ledger.writer', statement_timestamp()::text, true) IS NOT NULL
RETURNING b.balance_id
