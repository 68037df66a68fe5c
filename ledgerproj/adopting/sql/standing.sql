-- Purpose: what there is of our schema. Parameters: none. Columns: is_there, is_ours boolean: made by an earlier adoption;
-- objects bigint: tables, views, functions in it.
SELECT n.oid IS NOT NULL AS is_there, to_regclass('backoffice.adoption') IS NOT NULL AS is_ours,
       (SELECT count(*) FROM pg_class AS c WHERE c.relnamespace = n.oid)
       + (SELECT count(*) FROM pg_proc AS p WHERE p.pronamespace = n.oid) AS objects
FROM (SELECT 'backoffice' AS name) AS wanted
LEFT JOIN pg_namespace AS n ON n.nspname = wanted.name
