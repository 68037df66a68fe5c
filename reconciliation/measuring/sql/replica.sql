-- Purpose: what a server says of itself as a replica. Parameters: none. Columns: those of ``Replica``.
SELECT coalesce(host(inet_server_addr()), 'this machine') AS host, pg_is_in_recovery() AS is_standby,
       (SELECT system_identifier FROM pg_control_system()) AS system,
       pg_last_xact_replay_timestamp() AS replayed_at, clock_timestamp() AS asked_at
