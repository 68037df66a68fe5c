-- Purpose: which columns of the tables of a schema are unique, by valid indexes over all rows.
-- Parameters: schema text. Columns: of_table; columns text[], in the order of the index.
SELECT t.relname::text AS of_table, array_agg(a.attname::text ORDER BY k.place) AS columns
FROM pg_index AS x
JOIN pg_class AS t ON t.oid = x.indrelid
JOIN pg_namespace AS n ON n.oid = t.relnamespace AND n.nspname = %(schema)s
CROSS JOIN unnest(x.indkey::smallint[]) WITH ORDINALITY AS k (number, place)
JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = k.number
WHERE x.indisunique AND x.indisvalid AND x.indpred IS NULL AND x.indexprs IS NULL
GROUP BY x.indexrelid, t.relname
