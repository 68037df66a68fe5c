-- Purpose: what every balance stores, in key order. Parameters: none. Columns: balance_id, then the six totals.
SELECT balance_id, credit_balance, debit_balance, balance,
       inflight_credit_balance, inflight_debit_balance, inflight_balance
FROM balances
ORDER BY balance_id
