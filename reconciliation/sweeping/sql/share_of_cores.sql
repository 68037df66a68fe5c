-- Purpose: let the screen of this transaction use one core, or as many as the server gives to one statement.
-- Parameters: gentle boolean. Columns: the settings.
-- The planner takes the number of balances between two keys for that of the whole table. So it would rather hash the
-- sums than merge them in the order of the indexes, and rather sum alone than pass so many sums between processes;
-- in truth they are few. At its own costs a chunk of 25,000 balances takes two to four times as long. The holds of a
-- chunk fit into memory.
SELECT set_config('enable_hashagg', 'off', true) AS hashagg,
       set_config('enable_hashjoin', 'off', true) AS hashjoin,
       set_config('work_mem', '64MB', true) AS work_mem,
       set_config('parallel_tuple_cost', '0.001', true) AS parallel_tuple_cost,
       set_config('parallel_setup_cost', '100', true) AS parallel_setup_cost,
       CASE WHEN %(gentle)s THEN set_config('max_parallel_workers_per_gather', '0', true) END AS workers
