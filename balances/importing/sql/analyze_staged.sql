-- Purpose: let the planner know how many rows are staged: without, it would take them for a few.
ANALYZE staged_rows
