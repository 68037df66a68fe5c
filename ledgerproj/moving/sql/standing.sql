-- Purpose: the import that was begun here, and how far it is. Parameters: none. Columns: those of ``Standing``.
SELECT source, schema, generation, waiting, snapshot_at, finished_at, tables::text AS tables
FROM uploads_blnkimport
