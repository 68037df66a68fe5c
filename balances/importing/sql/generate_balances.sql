-- Purpose: create the balances of a generated ledger, with totals of zero.
-- Parameters: ledger_id text; balances and seed bigint; born timestamptz. Columns: made.
-- The id of a balance is derived from its number and the seed, so that generate_transactions.sql needs no look-up.
WITH made AS (
    INSERT INTO balances (
        balance_id, ledger_id, currency, credit_balance, debit_balance, balance, inflight_credit_balance,
        inflight_debit_balance, inflight_balance, version, created_at, meta_data, track_fund_lineage, allocation_strategy
    )
    SELECT 'bln_' || (lpad(to_hex(hashint8extended(number, %(seed)s)), 16, '0')
                      || lpad(to_hex(hashint8extended(number, ~%(seed)s::bigint)), 16, '0'))::uuid,
           %(ledger_id)s, 'USD', 0, 0, 0, 0, 0, 0, 1, %(born)s, '{}', false, 'FIFO'
    FROM generate_series(0, %(balances)s - 1) AS number
    RETURNING 1
)
SELECT count(*) AS made FROM made
