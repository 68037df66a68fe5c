-- Purpose: the sums of legs in Parquet files, in words that DuckDB and Spark both read. Columns: those of ``Sums``.
-- {legs} is put in by the engine: what its legs are. What a leg does to its totals was decided when it was written. A sum
-- of more than 38 digits is an error in both, never rounded.
SELECT balance AS balance_id,
       coalesce(sum(applied) FILTER (WHERE side = 'credit'), 0) AS credit,
       coalesce(sum(applied) FILTER (WHERE side = 'debit'), 0) AS debit,
       coalesce(sum(inflight) FILTER (WHERE side = 'credit'), 0) AS inflight_credit,
       coalesce(sum(inflight) FILTER (WHERE side = 'debit'), 0) AS inflight_debit,
       count(*) FILTER (WHERE side = 'credit' AND kind IN ('applied', 'commit')) AS credit_rows,
       count(*) FILTER (WHERE side = 'debit' AND kind IN ('applied', 'commit')) AS debit_rows,
       count(*) FILTER (WHERE kind IN ('hold', 'release')) AS hold_rows
FROM {legs}
GROUP BY balance
