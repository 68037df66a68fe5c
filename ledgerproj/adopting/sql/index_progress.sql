-- Purpose: how far an index is that a process of the server builds. Parameters: pid integer. Columns: percent int.
SELECT coalesce(100 * blocks_done / nullif(blocks_total, 0), 0)::integer AS percent
FROM pg_stat_progress_create_index
WHERE pid = %(pid)s
