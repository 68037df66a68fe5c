-- Purpose: skip the foreign keys of each row until the end of the transaction, where the user may.
-- Columns: allowed. For rows whose balances the generator has just created: this saves twenty million look-ups.
SELECT set_config('session_replication_role', 'replica', true) AS allowed
WHERE has_parameter_privilege('session_replication_role', 'SET')
