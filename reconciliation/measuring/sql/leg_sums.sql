-- Purpose: the sums of the legs of balances within a time, in one snapshot. The rules are those of the view legs.
-- Parameters: balance_ids text[], NULL for all; since (included) and until (not), timestamptz, each may be NULL.
-- Columns: those of ``Sums``. A balance without a leg is left out.
SELECT balance_id,
       coalesce(sum(applied) FILTER (WHERE side = 'credit'), 0) AS credit,
       coalesce(sum(applied) FILTER (WHERE side = 'debit'), 0) AS debit,
       coalesce(sum(inflight) FILTER (WHERE side = 'credit'), 0) AS inflight_credit,
       coalesce(sum(inflight) FILTER (WHERE side = 'debit'), 0) AS inflight_debit,
       count(*) FILTER (WHERE side = 'credit' AND kind IN ('applied', 'commit')) AS credit_rows,
       count(*) FILTER (WHERE side = 'debit' AND kind IN ('applied', 'commit')) AS debit_rows,
       count(*) FILTER (WHERE kind IN ('hold', 'release')) AS hold_rows
FROM legs
WHERE (%(balance_ids)s::text[] IS NULL OR balance_id = ANY(%(balance_ids)s::text[]))
  AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s::timestamptz)
GROUP BY balance_id
ORDER BY balance_id
