-- Purpose: note what was adopted, and how far we may go. Parameters: schema, generation, mode, actor text; has_rates
-- boolean; silent_until, rates_gone_at timestamptz. Columns: mode.
INSERT INTO adoption (schema, generation, mode, has_rates, silent_until, rates_gone_at, adopted_by)
VALUES (%(schema)s, %(generation)s, %(mode)s, %(has_rates)s, %(silent_until)s, %(rates_gone_at)s, %(actor)s)
ON CONFLICT (is_one) DO UPDATE
SET schema = excluded.schema, generation = excluded.generation, mode = excluded.mode, has_rates = excluded.has_rates,
    silent_until = excluded.silent_until, rates_gone_at = excluded.rates_gone_at, adopted_by = excluded.adopted_by,
    adopted_at = now()
RETURNING mode
