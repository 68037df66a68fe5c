-- Purpose: the indexes of ours on Blnk's transactions. Parameters: schema, prefix text.
-- Columns: may_make boolean: whether the role owns the table and may create in its schema; there, broken text[]: those
-- that are, and those that were cut short.
SELECT pg_has_role(t.relowner, 'USAGE') AND has_schema_privilege(t.relnamespace, 'CREATE') AS may_make,
       array_agg(i.relname::text ORDER BY i.relname) FILTER (WHERE x.indisvalid) AS there,
       array_agg(i.relname::text ORDER BY i.relname) FILTER (WHERE NOT x.indisvalid) AS broken
FROM pg_class AS t
JOIN pg_namespace AS n ON n.oid = t.relnamespace AND n.nspname = %(schema)s
LEFT JOIN (pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid AND i.relname LIKE %(prefix)s) ON x.indrelid = t.oid
WHERE t.relname = 'transactions'
GROUP BY t.relowner, t.relnamespace
