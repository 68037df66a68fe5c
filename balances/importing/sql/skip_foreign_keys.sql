-- Purpose: leave out the check of each row's foreign keys until the end of the transaction, where the user may.
-- Columns: allowed. For rows whose balances the same statement's author has just made: twenty million look-ups less.
SELECT set_config('session_replication_role', 'replica', true) AS allowed
WHERE has_parameter_privilege('session_replication_role', 'SET')
