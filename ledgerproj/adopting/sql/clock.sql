-- Purpose: by how many seconds the instants that Blnk writes are ahead of the clock of the database, by the newest entries
-- of its journal. Parameters: journal (the name of the table, put in by the caller). Columns: seconds (NULL without any).
-- Both are without a zone: those of Blnk in that of its process, those of the journal in that of the database session.
SELECT extract(epoch FROM percentile_disc(0.5) WITHIN GROUP (
           ORDER BY (new_data ->> 'created_at')::timestamp - timestamp
       ))::float8 AS seconds
FROM (
    SELECT new_data, timestamp FROM {journal} WHERE action_type = 'INSERT' ORDER BY id DESC LIMIT 200
) AS newest
