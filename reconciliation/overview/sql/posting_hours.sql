-- Purpose: count what was applied in each hour of a span, by currency.
-- Parameters: since, until timestamptz; hours of UTC, the last one left out.
-- Columns: hour timestamptz, currency text, postings bigint, units numeric (minor units; what is no whole number counts
--          for none), least_precision and most_precision bigint.
-- The span is read by the index on created_at; where an adopted database has none, no span is asked for.
SELECT date_trunc('hour', created_at) AS hour, coalesce(currency, '') AS currency, count(*) AS postings,
       coalesce(sum(moved.units) FILTER (WHERE moved.units < 'Infinity' AND moved.units = trunc(moved.units)), 0) AS units,
       min(coalesce("precision", 1)) AS least_precision, max(coalesce("precision", 1)) AS most_precision
FROM transactions
CROSS JOIN LATERAL (SELECT minor_units(precise_amount, amount, "precision") AS units) AS moved
WHERE created_at >= %(since)s AND created_at < %(until)s AND status = 'APPLIED'
GROUP BY 1, 2
