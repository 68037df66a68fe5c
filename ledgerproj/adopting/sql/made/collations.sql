-- Purpose: keys in findings, breaks and chunks of sweeps are compared in the order of Blnk's keys, since a sweep takes
-- balances in that order. This is run before each migration, as soon as there are the tables: what later ones make of a
-- column keeps it from changing.
DO $$
DECLARE
    key_column record;
BEGIN
    FOR key_column IN
        SELECT a.attrelid::regclass AS of_table, a.attname AS name
        FROM (VALUES ('reconciliation_finding', 'balance_id'), ('reconciliation_break', 'balance_id'),
                     ('reconciliation_sweepchunk', 'through')) AS wanted (of_table, name)
        JOIN pg_attribute AS a ON a.attrelid = to_regclass(wanted.of_table) AND a.attname = wanted.name
        WHERE a.attcollation <> 'pg_catalog."default"'::regcollation
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE text COLLATE "default"', key_column.of_table, key_column.name);
    END LOOP;
END $$;
