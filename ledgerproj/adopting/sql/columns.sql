-- Purpose: the tables of a schema and their columns. Parameters: schema text. Columns: table_name, column_name, kind.
SELECT c.relname AS table_name, a.attname AS column_name, format_type(a.atttypid, NULL) AS kind
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s) AND c.relkind IN ('r', 'p')
ORDER BY c.relname, a.attnum
