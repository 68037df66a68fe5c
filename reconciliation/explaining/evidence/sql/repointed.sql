-- Purpose: rows of one balance whose amount another one has in its totals instead, and whether their hash was made for
-- that other one.
-- Parameters: into_ids text[] (balances that lack so much), former_ids text[] (those that have it too much), sides
-- text[] (credit, debit), units numeric[], as many of each. Pairs of other ledgers or currencies are left out.
-- Columns: into_id, former_id, side, transaction_id, reference, created_at; fits_former, fits_now, fits_exchanged:
-- whether the hash is that of the row with the other balance, with the one that it names, or with its two ends exchanged.
-- Rows are sought in the covering indexes alone, and only what fits is looked up. What a hash covers is in
-- checks/hash_disagrees.sql.
WITH pairs AS MATERIALIZED (
    SELECT DISTINCT g.into_id, g.former_id, g.side, g.units, i.indicator AS into_name, f.indicator AS former_name
    FROM unnest(%(into_ids)s::text[], %(former_ids)s::text[], %(sides)s::text[], %(units)s::numeric[])
        AS g (into_id, former_id, side, units)
    JOIN balances AS i ON i.balance_id = g.into_id
    JOIN balances AS f ON f.balance_id = g.former_id
    WHERE i.ledger_id = f.ledger_id AND i.currency = f.currency
),
fitting AS (
    SELECT p.*, r.*
    FROM pairs AS p
    CROSS JOIN LATERAL (
        SELECT t.*, t.destination AS other
        FROM (
            SELECT DISTINCT t.effective_date FROM /*dated*/transactions AS t
            WHERE p.side = 'debit' AND t.status = 'APPLIED' AND t.source = p.into_id AND t.precise_amount = p.units
        ) AS at
        CROSS JOIN LATERAL (
            SELECT * FROM /*dated*/transactions AS t
            WHERE t.status = 'APPLIED' AND t.source = p.into_id AND t.effective_date = at.effective_date
              AND t.precise_amount = p.units
            OFFSET 0
        ) AS t
        UNION ALL
        SELECT t.*, t.source
        FROM (
            SELECT DISTINCT t.effective_date FROM /*dated*/transactions AS t
            WHERE p.side = 'credit' AND t.status = 'APPLIED' AND t.destination = p.into_id AND t.precise_amount = p.units
        ) AS at
        CROSS JOIN LATERAL (
            SELECT * FROM /*dated*/transactions AS t
            WHERE t.status = 'APPLIED' AND t.destination = p.into_id AND t.effective_date = at.effective_date
              AND t.precise_amount = p.units
            OFFSET 0
        ) AS t
    ) AS r
)
SELECT f.into_id, f.former_id, f.side, f.transaction_id, coalesce(f.reference, '') AS reference, f.created_at,
       coalesce(bool_or(f.hash = read.hash AND read.is_former), false) AS fits_former,
       coalesce(bool_or(f.hash = read.hash AND NOT read.is_former), false) AS fits_now,
       coalesce(bool_or(f.hash = read.exchanged AND NOT read.is_former), false) AS fits_exchanged
FROM fitting AS f
LEFT JOIN balances AS o ON o.balance_id = f.other
CROSS JOIN LATERAL (
    SELECT own.is_former,
           encode(sha256(convert_to(amount.text || reference.text || f.currency
               || CASE f.side WHEN 'debit' THEN own.name || other.name ELSE other.name || own.name END, 'UTF8')), 'hex') AS hash,
           encode(sha256(convert_to(amount.text || reference.text || f.currency
               || CASE f.side WHEN 'debit' THEN other.name || own.name ELSE own.name || other.name END, 'UTF8')), 'hex')
               AS exchanged
    FROM (VALUES (trim_scale(f.amount)::text), ('0'), (round(f.amount, 6)::text), ('0.000000')) AS amount (text),
         (VALUES (f.reference), (regexp_replace(f.reference, '_[0-9]+$', ''))) AS reference (text),
         (VALUES (f.former_id, true), (f.former_name, true), (f.into_id, false), (f.into_name, false))
             AS own (name, is_former),
         (VALUES (f.other), (o.indicator), ('')) AS other (name)
) AS read
GROUP BY f.into_id, f.former_id, f.side, f.transaction_id, f.reference, f.created_at
ORDER BY f.created_at DESC, f.transaction_id
