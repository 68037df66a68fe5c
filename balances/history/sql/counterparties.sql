-- Purpose: with which balances one had the most applied movements of money, each way, by what was moved.
-- Parameters: balance_id text; since timestamptz; most_rows int, the newest rows of each side that are read; most int.
-- Columns: is_out boolean; other, other_name text; units numeric and row_count bigint with that balance; total numeric,
-- others bigint and read_rows bigint of that side: all that was moved, with how many balances, by how many rows.
-- Most first. Rows are read backwards from the index of their effective dates, so many older ones cost nothing.
WITH moves AS (
    (SELECT true AS is_out, destination AS other, minor_units(precise_amount, amount, precision) AS units
     FROM transactions
     WHERE status = 'APPLIED' AND source = %(balance_id)s AND effective_date >= %(since)s
     ORDER BY effective_date DESC
     LIMIT %(most_rows)s)
    UNION ALL
    (SELECT false, source, minor_units(precise_amount, amount, precision /*rated , rate rated*/)
     FROM transactions
     WHERE status = 'APPLIED' AND destination = %(balance_id)s AND effective_date >= %(since)s
     ORDER BY effective_date DESC
     LIMIT %(most_rows)s)
),
sums AS (
    SELECT is_out, other, sum(units) AS units, count(*) AS row_count,
           row_number() OVER (PARTITION BY is_out ORDER BY sum(units) DESC, other) AS place,
           sum(sum(units)) OVER (PARTITION BY is_out) AS total,
           count(*) OVER (PARTITION BY is_out) AS others,
           sum(count(*)) OVER (PARTITION BY is_out) AS read_rows
    FROM moves
    GROUP BY is_out, other
)
SELECT s.is_out, s.other, coalesce(b.indicator, s.other) AS other_name, s.units, s.row_count, s.total, s.others,
       s.read_rows
FROM sums AS s
LEFT JOIN balances AS b ON b.balance_id = s.other
WHERE s.place <= %(most)s
ORDER BY s.is_out, s.place
