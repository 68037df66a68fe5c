-- Purpose: drop the functions that are made again with the views.
DROP FUNCTION IF EXISTS keep_own_snapshot, refuse_write, write_transaction CASCADE;
DROP FUNCTION IF EXISTS minor_units(numeric, numeric, bigint, double precision) CASCADE;
DROP FUNCTION IF EXISTS at_rate, bits_of CASCADE;
DROP FUNCTION IF EXISTS settlements_of, settles CASCADE;
DROP FUNCTION IF EXISTS minor_units(numeric, numeric, bigint) CASCADE;
