-- Purpose: let the statements of this transaction use one core, or as many as the server gives to one statement.
-- Parameters: gentle boolean. Columns: the settings.
-- The planner takes the number of balances between two keys for that of the whole table, and would rather sum a long
-- history alone than pass so many sums between processes; in truth they are few. At its own costs a chunk of 25,000
-- balances takes twice the time. The holds of a chunk fit into memory.
SELECT set_config('work_mem', '64MB', true) AS work_mem,
       set_config('parallel_tuple_cost', '0.001', true) AS parallel_tuple_cost,
       set_config('parallel_setup_cost', '100', true) AS parallel_setup_cost,
       CASE WHEN %(gentle)s THEN set_config('max_parallel_workers_per_gather', '0', true) END AS workers
