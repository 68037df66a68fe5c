-- Purpose: let the rest of the atomic block change rows past the guards: drills and tests only.
-- Parameters: none. Columns: role. Triggers that are always on, such as those of the journal, still fire.
SELECT set_config('session_replication_role', 'replica', true) AS role
