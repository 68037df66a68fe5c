-- Purpose: note that source and copy were alike. Parameters: tables jsonb, what was compared.
UPDATE uploads_blnkimport SET finished_at = now(), tables = %(tables)s::jsonb
