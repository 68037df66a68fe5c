-- Purpose: the stored totals of every balance, summed by currency.
-- Parameters: none. Columns: currency, balances, then the sums of both sides and both inflight sides.
SELECT coalesce(currency, '') AS currency, count(*) AS balances,
       sum(credit_balance) AS credit, sum(debit_balance) AS debit,
       sum(inflight_credit_balance) AS inflight_credit, sum(inflight_debit_balance) AS inflight_debit
FROM balances
GROUP BY 1
ORDER BY 1
