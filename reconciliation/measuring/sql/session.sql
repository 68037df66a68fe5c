-- Purpose: what a session of DuckDB knows from its beginning. Parameters: none.
-- sums_of: the sums of legs in Parquet files, with the columns of ``Sums``; of some balances or of all (NULL), of legs
-- before an instant in UTC or of all (NULL). What a leg does to its totals was decided when it was written. A sum of more
-- than 38 digits is an error, never rounded.
CREATE MACRO sums_of(files, balance_ids, until) AS TABLE
SELECT balance AS balance_id,
       coalesce(sum(applied) FILTER (side = 'credit'), 0) AS credit,
       coalesce(sum(applied) FILTER (side = 'debit'), 0) AS debit,
       coalesce(sum(inflight) FILTER (side = 'credit'), 0) AS inflight_credit,
       coalesce(sum(inflight) FILTER (side = 'debit'), 0) AS inflight_debit,
       count(*) FILTER (side = 'credit' AND kind IN ('applied', 'commit')) AS credit_rows,
       count(*) FILTER (side = 'debit' AND kind IN ('applied', 'commit')) AS debit_rows,
       count(*) FILTER (kind IN ('hold', 'release')) AS hold_rows
FROM read_parquet(files)
WHERE (balance_ids IS NULL OR balance IN (SELECT unnest(balance_ids::VARCHAR[])))
  AND (until IS NULL OR instant < until::TIMESTAMP)
GROUP BY balance;

-- What was carried forward so far, and what a checkpoint says of it: one row a balance.
CREATE TEMP TABLE carried (
    balance_id VARCHAR, credit DECIMAL(38, 0), debit DECIMAL(38, 0), inflight_credit DECIMAL(38, 0),
    inflight_debit DECIMAL(38, 0), credit_rows BIGINT, debit_rows BIGINT, hold_rows BIGINT
);
CREATE TEMP VIEW carried_sums AS
SELECT balance_id, sum(credit) AS credit, sum(debit) AS debit, sum(inflight_credit) AS inflight_credit,
       sum(inflight_debit) AS inflight_debit, sum(credit_rows)::BIGINT AS credit_rows,
       sum(debit_rows)::BIGINT AS debit_rows, sum(hold_rows)::BIGINT AS hold_rows
FROM carried
GROUP BY balance_id;
