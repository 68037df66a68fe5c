-- Purpose: the planner's estimate of the rows of a table, for pages that would otherwise count a million of them.
-- Parameters: table_name text. Columns: estimate, negative before the table was first analysed.
SELECT reltuples::bigint AS estimate FROM pg_class WHERE oid = to_regclass(%(table_name)s)
