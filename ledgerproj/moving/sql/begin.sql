-- Purpose: note that an import was begun, or goes on with another snapshot of the same rows.
-- Parameters: schema, generation, source, waiting, actor text; has_rates boolean; silent_until, rates_gone_at,
-- snapshot_at timestamptz.
INSERT INTO uploads_blnkimport (
    is_one, schema, generation, has_rates, silent_until, rates_gone_at, source, waiting, begun_at, begun_by, snapshot_at,
    tables
) VALUES (
    true, %(schema)s, %(generation)s, %(has_rates)s, least(%(silent_until)s, %(snapshot_at)s), %(rates_gone_at)s,
    %(source)s, %(waiting)s, now(), %(actor)s, %(snapshot_at)s, '{}'
)
ON CONFLICT (is_one) DO UPDATE
SET snapshot_at = excluded.snapshot_at, silent_until = excluded.silent_until, waiting = excluded.waiting
