-- Purpose: what a session of DuckDB knows from its beginning. Parameters: none, but for the text of sums_of_legs.sql.
-- legs_of: the legs in Parquet files; of some balances or of all (NULL), before an instant in UTC or all of them (NULL).
-- sums_of: what they add up to.
CREATE MACRO legs_of(files, balance_ids, until) AS TABLE
SELECT *
FROM read_parquet(files)
WHERE (balance_ids IS NULL OR balance IN (SELECT unnest(balance_ids::VARCHAR[])))
  AND (until IS NULL OR instant < until::TIMESTAMP);
CREATE MACRO sums_of(files, balance_ids, until) AS TABLE
{sums_of_legs};

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
