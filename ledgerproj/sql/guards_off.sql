-- Purpose: triggers of our tables that are switched off.
-- Columns: name text, of_table text.
SELECT t.tgname AS name, c.relname AS of_table
FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = current_schema()::regnamespace AND NOT t.tgisinternal AND t.tgenabled = 'D'
ORDER BY 2, 1
