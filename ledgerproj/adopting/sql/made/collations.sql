-- Purpose: keys in findings are compared in the order of Blnk's keys, since a sweep takes balances in that order. This is
-- run before each migration, as soon as there is the table: what later ones make of the column keeps it from changing.
DO $$
BEGIN
    IF (SELECT attcollation <> 'pg_catalog."default"'::regcollation
        FROM pg_attribute
        WHERE attrelid = to_regclass('reconciliation_finding') AND attname = 'balance_id') THEN
        ALTER TABLE reconciliation_finding ALTER COLUMN balance_id TYPE text COLLATE "default";
    END IF;
END $$;
