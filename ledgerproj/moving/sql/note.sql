-- Purpose: note how far a table is in. Parameters: name text; last bigint, Blnk's serial number; rows bigint, added.
UPDATE uploads_blnkimport
SET tables = tables || jsonb_build_object(%(name)s::text, jsonb_build_object(
    'last', %(last)s::bigint, 'rows', coalesce((tables #>> ARRAY[%(name)s::text, 'rows'])::bigint, 0) + %(rows)s::bigint))
