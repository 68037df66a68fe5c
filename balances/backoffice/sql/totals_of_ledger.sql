-- Purpose: the stored totals of the balances of a ledger, by currency, of so many balances at most.
-- Parameters: key text: a ledger; most int. Columns: currency; balances: how many; the sums of both sides, and of holds.
SELECT b.currency, count(*) AS balances, sum(b.credit_balance) AS credit, sum(b.debit_balance) AS debit,
       sum(b.inflight_balance) AS inflight
FROM (
    SELECT currency, credit_balance, debit_balance, inflight_balance
    FROM balances
    WHERE ledger_id = %(key)s
    LIMIT %(most)s
) AS b
GROUP BY b.currency
ORDER BY b.currency
