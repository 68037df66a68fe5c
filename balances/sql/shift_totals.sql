-- Purpose: move running totals by differences and raise each version, in one statement.
-- Parameters: balance_ids text[], and as many numeric of credits, debits, inflight_credits, inflight_debits.
-- Columns: balance_id, version. The caller has locked the rows in key order.
UPDATE balances AS b
SET credit_balance = b.credit_balance + m.credit,
    debit_balance = b.debit_balance + m.debit,
    balance = b.balance + m.credit - m.debit,
    inflight_credit_balance = b.inflight_credit_balance + m.inflight_credit,
    inflight_debit_balance = b.inflight_debit_balance + m.inflight_debit,
    inflight_balance = b.inflight_balance + m.inflight_credit - m.inflight_debit,
    version = b.version + 1
FROM unnest(
    %(balance_ids)s::text[], %(credits)s::numeric[], %(debits)s::numeric[],
    %(inflight_credits)s::numeric[], %(inflight_debits)s::numeric[]
) AS m (balance_id, credit, debit, inflight_credit, inflight_debit)
WHERE b.balance_id = m.balance_id
RETURNING b.balance_id, b.version
