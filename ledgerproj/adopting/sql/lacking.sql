-- Purpose: which of some rights on the tables of a schema, and on its sequences, the connected role lacks.
-- Parameters: schema text; tables, columns, rights text[] of equal length: a column may be empty, for the whole table.
-- Columns: of_table, of_column, privilege, in the order given; a right on the sequences has an empty table.
SELECT w.of_table, w.of_column, w.privilege
FROM unnest(%(tables)s::text[], %(columns)s::text[], %(rights)s::text[])
    WITH ORDINALITY AS w (of_table, of_column, privilege, place)
JOIN pg_namespace AS n ON n.nspname = %(schema)s
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.of_table AND c.relkind IN ('r', 'p')
WHERE NOT CASE WHEN w.of_column = '' THEN has_table_privilege(c.oid, w.privilege)
               ELSE has_column_privilege(c.oid, w.of_column, w.privilege) END
UNION ALL
SELECT '', '', 'USAGE'
FROM pg_namespace AS n
WHERE n.nspname = %(schema)s AND EXISTS (
    SELECT FROM pg_class AS s
    WHERE s.relnamespace = n.oid AND CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE') END
)
