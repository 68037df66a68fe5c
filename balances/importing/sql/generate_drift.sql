-- Purpose: change totals of balances drawn at random, as an edit in SQL would. Columns: moved.
-- Parameters: balances and seed bigint. Half of them get another credit, half another debit, by up to 1,000.00.
WITH drawn AS (
    SELECT balance_id, hashtextextended(balance_id, %(seed)s) AS draw
    FROM balances
    ORDER BY draw
    LIMIT %(balances)s
),
moves AS (
    SELECT balance_id,
           CASE WHEN draw %% 2 = 0 THEN 1 + abs(draw / 2 %% 100000) ELSE 0 END AS credit,
           CASE WHEN draw %% 2 = 0 THEN 0 ELSE 1 + abs(draw / 2 %% 100000) END AS debit
    FROM drawn
),
moved AS (
    UPDATE balances AS b
    SET credit_balance = b.credit_balance + m.credit,
        debit_balance = b.debit_balance + m.debit,
        balance = b.balance + m.credit - m.debit
    FROM moves AS m
    WHERE b.balance_id = m.balance_id
    RETURNING 1
)
SELECT count(*) AS moved FROM moved
