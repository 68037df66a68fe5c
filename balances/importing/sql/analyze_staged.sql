-- Purpose: give the planner statistics of the staged rows, without which it assumes few.
ANALYZE staged_rows
