-- Purpose: take in the balances of an import, in the column order of importing/rows.py.
COPY balances (
    balance_id, ledger_id, indicator, currency,
    credit_balance, debit_balance, balance,
    inflight_credit_balance, inflight_debit_balance, inflight_balance,
    version, created_at, meta_data, track_fund_lineage, allocation_strategy
) FROM STDIN
