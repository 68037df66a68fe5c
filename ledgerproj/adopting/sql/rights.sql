-- Purpose: what the connected role may do with the tables of a schema, and in the database.
-- Parameters: schema text; tables text[]. Columns: role; may_use, may_read, may_write, may_repair, may_create, owns boolean (the schema
-- of ours; NULL where there is none); unread text[]: tables that it may not read; rows bigint: transactions by the
-- planner's estimate; balances bigint: likewise; collation text: of the keys of balances.
SELECT current_user AS role,
       has_schema_privilege(n.oid, 'USAGE') AS may_use,
       coalesce(bool_and(has_table_privilege(c.oid, 'SELECT')), false) AS may_read,
       coalesce(bool_or(has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
                        OR has_any_column_privilege(c.oid, 'INSERT, UPDATE')), false) AS may_write,
       coalesce(bool_and((
           SELECT bool_and(has_column_privilege(c.oid, name, 'UPDATE'))
           FROM unnest(ARRAY['credit_balance', 'debit_balance', 'balance', 'inflight_credit_balance',
                             'inflight_debit_balance', 'inflight_balance', 'version', 'meta_data']) AS name
       )) FILTER (WHERE c.relname = 'balances'), false) AS may_repair,
       has_database_privilege(current_database(), 'CREATE') AS may_create,
       (SELECT pg_has_role(o.nspowner, 'USAGE') FROM pg_namespace AS o WHERE o.nspname = 'backoffice') AS owns,
       array_agg(c.relname::text ORDER BY c.relname)
           FILTER (WHERE NOT has_table_privilege(c.oid, 'SELECT')) AS unread,
       max(greatest(c.reltuples, 0)) FILTER (WHERE c.relname = 'transactions')::bigint AS rows,
       max(greatest(c.reltuples, 0)) FILTER (WHERE c.relname = 'balances')::bigint AS balances
FROM pg_namespace AS n
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = ANY(%(tables)s)
WHERE n.nspname = %(schema)s
GROUP BY n.oid
