-- Purpose: apply one movement: both balances and the row, in one statement.
-- Parameters: those of the row by column name; units numeric, what moves.
-- Columns: balance_id, version. The caller has locked both balances in key order and checked the funds.
-- The mark tells the edit journal that this UPDATE is no edit; it is set before a row changes, and for this statement only.
WITH posted AS (
    INSERT INTO transactions (
        transaction_id, parent_transaction, source, destination, reference, amount, precise_amount, precision,
        currency, description, status, hash, created_at, effective_date, scheduled_for, meta_data
    ) VALUES (
        %(transaction_id)s, %(parent_transaction)s, %(source)s, %(destination)s, %(reference)s, %(amount)s, %(units)s,
        %(precision)s, %(currency)s, %(description)s, %(status)s, %(hash)s, %(created_at)s, %(effective_date)s,
        %(scheduled_for)s, %(meta_data)s::jsonb
    )
)
UPDATE balances
SET debit_balance = debit_balance + CASE balance_id WHEN %(source)s THEN %(units)s ELSE 0 END,
    credit_balance = credit_balance + CASE balance_id WHEN %(destination)s THEN %(units)s ELSE 0 END,
    balance = balance + CASE balance_id WHEN %(destination)s THEN %(units)s ELSE -%(units)s END,
    version = version + 1
WHERE balance_id IN (%(source)s, %(destination)s)
  AND set_config('ledger.writer', statement_timestamp()::text, true) IS NOT NULL
RETURNING balance_id, version
