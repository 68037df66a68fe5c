-- Purpose: what the legs of a time add up to in PostgreSQL, to hold what was written to it.
-- Parameters: since, until timestamptz (until not included). Columns: currency, side, legs, applied, inflight.
SELECT coalesce(currency, '') AS currency, side, count(*) AS legs, sum(applied) AS applied, sum(inflight) AS inflight
FROM legs
WHERE created_at >= %(since)s AND created_at < %(until)s
GROUP BY 1, 2
ORDER BY 1, 2
