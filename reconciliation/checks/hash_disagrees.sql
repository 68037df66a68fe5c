-- Purpose: A row does not match its hash
-- Description: Every posting seals its amount, reference, currency and both balances with a hash. A row that no longer
--   matches was changed in the database after it was written.
-- Verdict: fault
-- Runs: deep
-- The hash covers what the client sent: ids or indicators, an empty name for the divided side of a split, the amount or
-- 0 for a precise amount (with six decimals before Blnk 0.15), and the reference: of a leg with or without its number,
-- of the outcome of a queued row without _q. What settles a hold or refunds seals its own amount or that of its parent.
-- Where the original rounded an amount to whole minor units, the hash has the one that was sent: up to three decimals
-- more are tried. A row of whatever status is wrong when no such reading matches. Amounts that a float may have rounded
-- are left out. Not covered are precise_amount, status and dates: where 0 was sealed, the amount is sealed nowhere, and
-- only columns_contradict, forced_edit and snapshot_disagrees can find a change.
-- A balance that an import renamed (docs/import.md) was sealed by the name without the id behind it.
-- Also run for single balances (balance_ids), to see whether the rows that count there may be trusted. Nearly every row
-- matches one of three readings; the others are tried on what is left.
WITH suspects AS MATERIALIZED (
    SELECT transaction_id, parent_transaction, source, destination, amount, precision, reference, currency, hash
    FROM transactions
    WHERE length(hash) = 64
      AND (%(balance_ids)s::text[] IS NULL OR status IN ('APPLIED', 'INFLIGHT', 'VOID'))
      AND hash IS DISTINCT FROM encode(sha256(convert_to('0' || reference || currency || source || destination, 'UTF8')), 'hex')
      AND hash IS DISTINCT FROM encode(sha256(convert_to(
          trim_scale(amount)::text || reference || currency || source || destination, 'UTF8')), 'hex')
      AND (reference NOT LIKE '%%\_q' OR hash IS DISTINCT FROM encode(sha256(convert_to(
          trim_scale(amount)::text || left(reference, -2) || currency || source || destination, 'UTF8')), 'hex'))
      AND (%(balance_ids)s::text[] IS NULL
           OR status = 'APPLIED' AND source = ANY(%(balance_ids)s::text[])
           OR status = 'APPLIED' AND destination = ANY(%(balance_ids)s::text[])
           OR status IN ('INFLIGHT', 'VOID') AND source = ANY(%(balance_ids)s::text[])
           OR status IN ('INFLIGHT', 'VOID') AND destination = ANY(%(balance_ids)s::text[]))
),
unread AS MATERIALIZED (
    SELECT t.*, s.indicator AS source_name, d.indicator AS destination_name
    FROM suspects AS t
    JOIN balances AS s ON s.balance_id = t.source
    JOIN balances AS d ON d.balance_id = t.destination
    LEFT JOIN transactions AS p ON p.transaction_id = t.parent_transaction AND t.parent_transaction > ''
    WHERE t.hash ~ '^[0-9a-f]{64}$' AND t.hash !~ '^0{64}$' AND length(trim_scale(t.amount)::text) <= 16
      AND NOT EXISTS (
          SELECT FROM (VALUES (trim_scale(t.amount)::text), ('0'), (trim_scale(p.amount)::text),
                              (round(t.amount, 6)::text), ('0.000000'), (round(p.amount, 6)::text)) AS amount (text),
                      (VALUES (t.reference), (regexp_replace(t.reference, '_q$', '')),
                              (regexp_replace(t.reference, '[-_][0-9]+$', ''))) AS reference (text),
                      (VALUES (t.source), (s.indicator), (split_part(s.indicator, ' (bln_', 1)), ('')) AS origin (name),
                      (VALUES (t.destination), (d.indicator), (split_part(d.indicator, ' (bln_', 1)), ('')) AS target (name)
          WHERE t.hash = encode(sha256(convert_to(
              amount.text || reference.text || t.currency || origin.name || target.name, 'UTF8')), 'hex'))
),
changed AS (
    SELECT t.transaction_id, t.source, t.destination
    FROM unread AS t
    -- Some thousand readings a row: where very many rows are left, they were not rounded, but sealed in another way.
    WHERE (SELECT count(*) FROM unread) > 500 OR NOT EXISTS (
        SELECT FROM generate_series(-500, 500) AS thousandths (count),
                    LATERAL (SELECT t.amount + count / (1000.0 * coalesce(nullif(t.precision, 0), 1))) AS sent (amount),
                    LATERAL (VALUES (trim_scale(sent.amount)::text), (round(sent.amount, 6)::text)) AS amount (text),
                    (VALUES (t.source), (t.source_name)) AS origin (name),
                    (VALUES (t.destination), (t.destination_name)) AS target (name),
                    (VALUES (regexp_replace(t.reference, '_q$', ''))) AS reference (text)
        WHERE t.hash = encode(sha256(convert_to(
            amount.text || reference.text || t.currency || origin.name || target.name, 'UTF8')), 'hex'))
)
SELECT side.balance_id,
       format('%%s changed after they were written.', CASE count(*) WHEN 1 THEN 'A row was' ELSE count(*) || ' rows were' END)
           AS detail,
       array_agg(c.transaction_id ORDER BY c.transaction_id) AS rows
FROM changed AS c
CROSS JOIN LATERAL (VALUES (c.source), (c.destination)) AS side (balance_id)
WHERE side.balance_id > ''
GROUP BY side.balance_id
