-- Purpose: the schemas in which Blnk has its tables. Parameters: none. Columns: schema.
SELECT n.nspname AS schema
FROM pg_namespace AS n
WHERE (SELECT count(*) FROM pg_class AS c
       WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
         AND c.relname IN ('gorp_migrations', 'ledgers', 'balances', 'transactions')) = 4
ORDER BY n.nspname
