-- Purpose: the sums of legs in Parquet files, in words that DuckDB and Spark both read. Columns: those of ``Sums``.
-- {legs} is put in by the engine: what its legs are. What a leg does to its totals was decided when it was written. A sum
-- of more than 38 digits is an error in both, never rounded. Legs are added up by side and kind first, which takes half
-- as long as to look at side and kind of each leg in every sum.
SELECT balance AS balance_id,
       coalesce(sum(applied) FILTER (WHERE side = 'credit'), 0) AS credit,
       coalesce(sum(applied) FILTER (WHERE side = 'debit'), 0) AS debit,
       coalesce(sum(inflight) FILTER (WHERE side = 'credit'), 0) AS inflight_credit,
       coalesce(sum(inflight) FILTER (WHERE side = 'debit'), 0) AS inflight_debit,
       CAST(coalesce(sum(legs) FILTER (WHERE side = 'credit' AND kind IN ('applied', 'commit')), 0) AS BIGINT)
           AS credit_rows,
       CAST(coalesce(sum(legs) FILTER (WHERE side = 'debit' AND kind IN ('applied', 'commit')), 0) AS BIGINT)
           AS debit_rows,
       CAST(coalesce(sum(legs) FILTER (WHERE kind IN ('hold', 'release')), 0) AS BIGINT) AS hold_rows
FROM (
    SELECT balance, side, kind, sum(applied) AS applied, sum(inflight) AS inflight, count(*) AS legs
    FROM {legs}
    GROUP BY balance, side, kind
) AS by_kind
GROUP BY balance
