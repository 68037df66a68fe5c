-- Purpose: the month in which the history begins. Parameters: none. Columns: oldest timestamptz, NULL without rows.
SELECT min(created_at) AS oldest FROM transactions
