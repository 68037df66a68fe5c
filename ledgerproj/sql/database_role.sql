-- Purpose: what the user of the database could do to the triggers that guard transactions and records.
-- Columns: name text, is_superuser bool, may_replicate_past_triggers bool, owned int (guarded tables).
SELECT r.rolname AS name,
       r.rolsuper AS is_superuser,
       has_parameter_privilege(r.oid, 'session_replication_role', 'SET') AS may_replicate_past_triggers,
       (SELECT count(*) FROM pg_class AS c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND pg_has_role(r.oid, c.relowner, 'USAGE')
          AND EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)) AS owned
FROM pg_roles AS r
WHERE r.rolname = current_user
