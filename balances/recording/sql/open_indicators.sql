-- Purpose: create balances of the general ledger for indicators that are used for the first time.
-- Parameters: balance_ids, indicators, currencies text[] of equal length, in order of the names; lock_wait text.
-- Columns: balance_id of each created balance; another writer may have been first.
INSERT INTO balances (
    balance_id, ledger_id, indicator, currency, credit_balance, debit_balance, balance,
    inflight_credit_balance, inflight_debit_balance, inflight_balance,
    version, created_at, meta_data, track_fund_lineage, allocation_strategy
)
SELECT n.balance_id, 'general_ledger_id', n.indicator, n.currency, 0, 0, 0, 0, 0, 0, 1, clock_timestamp(), 'null',
       false, 'FIFO'
FROM unnest(%(balance_ids)s::text[], %(indicators)s::text[], %(currencies)s::text[])
    AS n (balance_id, indicator, currency)
WHERE set_config('lock_timeout', %(lock_wait)s, true) IS NOT NULL
ON CONFLICT (indicator, currency) DO NOTHING
RETURNING balance_id
