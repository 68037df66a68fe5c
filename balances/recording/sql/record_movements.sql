-- Purpose: record movements in one statement: their rows, and their netted effect on the totals of the balances.
-- Parameters: an array for each column of the rows; balance_ids text[] and for each the numeric sums credits, debits,
-- inflight_credits, inflight_debits to add.
-- Columns: balance_id, version. The caller has locked the balances in key order and checked each movement.
-- The version rises by one for all that is recorded together, as in the original.
-- The mark shows the edit journal that this UPDATE is no edit; it is set before a row changes, for this statement only.
WITH recorded AS (
    INSERT INTO transactions (
        transaction_id, parent_transaction, source, destination, reference, amount, precise_amount, precision,
        currency, description, status, hash, created_at, effective_date, scheduled_for, meta_data
    )
    SELECT r.transaction_id, r.parent_transaction, r.source, r.destination, r.reference, r.amount, r.precise_amount,
           r.precision, r.currency, r.description, r.status, r.hash, r.created_at, r.effective_date, r.scheduled_for,
           r.meta_data::jsonb
    FROM unnest(
        %(transaction_id)b::text[], %(parent_transaction)b::text[], %(source)b::text[], %(destination)b::text[],
        %(reference)b::text[], %(amount)s::numeric[], %(precise_amount)s::numeric[], %(precision)s::bigint[],
        %(currency)b::text[], %(description)b::text[], %(status)b::text[], %(hash)b::text[],
        %(created_at)b::timestamptz[], %(effective_date)b::timestamptz[], %(scheduled_for)b::timestamptz[],
        %(meta_data)b::text[]
    ) AS r (transaction_id, parent_transaction, source, destination, reference, amount, precise_amount, precision,
            currency, description, status, hash, created_at, effective_date, scheduled_for, meta_data)
)
UPDATE balances AS b
SET credit_balance = b.credit_balance + m.credit,
    debit_balance = b.debit_balance + m.debit,
    balance = b.balance + m.credit - m.debit,
    inflight_credit_balance = b.inflight_credit_balance + m.inflight_credit,
    inflight_debit_balance = b.inflight_debit_balance + m.inflight_debit,
    inflight_balance = b.inflight_balance + m.inflight_credit - m.inflight_debit,
    version = b.version + 1
FROM unnest(
    %(balance_ids)b::text[], %(credits)s::numeric[], %(debits)s::numeric[],
    %(inflight_credits)s::numeric[], %(inflight_debits)s::numeric[]
) AS m (balance_id, credit, debit, inflight_credit, inflight_debit)
WHERE b.balance_id = m.balance_id
  AND set_config('ledger.writer', statement_timestamp()::text, true) IS NOT NULL
RETURNING b.balance_id, b.version
