-- Purpose: set the totals of a generated ledger to the sums of its transactions. Columns: moved.
-- Every row but a hold either is applied or settles a hold, or both; each has raised the version of its two balances.
-- The mark shows the edit journal that this UPDATE is no edit.
WITH debits AS (
    SELECT source AS balance_id,
           coalesce(sum(precise_amount) FILTER (WHERE status = 'APPLIED'), 0) AS applied,
           coalesce(sum(precise_amount) FILTER (WHERE status = 'INFLIGHT'), 0)
           - coalesce(sum(precise_amount) FILTER (WHERE parent_transaction > ''), 0) AS held,
           count(*) AS row_count
    FROM transactions
    GROUP BY source
),
credits AS (
    SELECT destination AS balance_id,
           coalesce(sum(precise_amount) FILTER (WHERE status = 'APPLIED'), 0) AS applied,
           coalesce(sum(precise_amount) FILTER (WHERE status = 'INFLIGHT'), 0)
           - coalesce(sum(precise_amount) FILTER (WHERE parent_transaction > ''), 0) AS held,
           count(*) AS row_count
    FROM transactions
    GROUP BY destination
),
sums AS (
    SELECT balance_id,
           coalesce(credits.applied, 0) AS credit, coalesce(debits.applied, 0) AS debit,
           coalesce(credits.held, 0) AS inflight_credit, coalesce(debits.held, 0) AS inflight_debit,
           coalesce(credits.row_count, 0) + coalesce(debits.row_count, 0) AS row_count
    FROM debits FULL JOIN credits USING (balance_id)
),
moved AS (
    UPDATE balances AS b
    SET credit_balance = credit,
        debit_balance = debit,
        balance = credit - debit,
        inflight_credit_balance = inflight_credit,
        inflight_debit_balance = inflight_debit,
        inflight_balance = inflight_credit - inflight_debit,
        version = version + row_count
    FROM sums
    WHERE b.balance_id = sums.balance_id
      AND set_config('ledger.writer', statement_timestamp()::text, true) IS NOT NULL
    RETURNING 1
)
SELECT count(*) AS moved FROM moved
