-- Purpose: lock the balances of movements against other writers and read their totals; find references in use.
-- Parameters: balance_ids text[]; indicators, currencies text[] of equal length: balances by name; refs text[];
-- queued_refs text[]: references of queued rows, which reserve that of their outcome;
-- lock_wait text (a PostgreSQL interval), the limit for each lock.
-- Columns: those of a balance; whether a monitor watches it, and whether any hook is active; then used text: a reference
-- in use. A row has either a balance or a reference.
-- Always in key order, so that no two writers wait for each other. The limit is set before the first row is locked.
WITH locked AS MATERIALIZED (
    SELECT b.balance_id, b.indicator, b.currency, b.balance, b.credit_balance, b.debit_balance,
           b.inflight_credit_balance, b.inflight_debit_balance, b.track_fund_lineage,
           EXISTS (SELECT FROM balance_monitors AS m WHERE m.balance_id = b.balance_id) AS is_watched,
           EXISTS (SELECT FROM hooks_hook AS h WHERE h.active) AS is_hooked
    FROM balances AS b
    WHERE b.balance_id = ANY(ARRAY(
            SELECT unnest(%(balance_ids)b::text[])
            UNION
            SELECT n.balance_id
            FROM unnest(%(indicators)b::text[], %(currencies)b::text[]) AS w (indicator, currency)
            JOIN balances AS n ON n.indicator = w.indicator AND n.currency = w.currency
          ))
      AND set_config('lock_timeout', %(lock_wait)s, true) IS NOT NULL
    ORDER BY b.balance_id
    FOR NO KEY UPDATE
)
SELECT locked.*, NULL AS used FROM locked
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, t.reference
FROM transactions AS t
WHERE t.reference = ANY(%(refs)b::text[])
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, q.reference || '_q'
FROM transactions AS q
WHERE q.reference = ANY(%(queued_refs)b::text[]) AND q.status IN ('QUEUED', 'SCHEDULED')
