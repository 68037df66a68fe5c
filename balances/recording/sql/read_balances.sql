-- Purpose: read the current totals of the balances of movements without locking them; find references in use.
-- Parameters and columns: those of lock_balances.sql. lock_wait limits what is written afterwards: rows that name these
-- balances wait for a writer that deletes one, and for one that takes their reference.
WITH wanted AS (
    SELECT unnest(%(balance_ids)b::text[]) AS balance_id
    UNION
    SELECT n.balance_id
    FROM unnest(%(indicators)b::text[], %(currencies)b::text[]) AS w (indicator, currency)
    JOIN balances AS n ON n.indicator = w.indicator AND n.currency = w.currency
)
SELECT b.balance_id, b.indicator, b.currency, b.balance, b.credit_balance, b.debit_balance,
       b.inflight_credit_balance, b.inflight_debit_balance, b.track_fund_lineage,
       EXISTS (SELECT FROM balance_monitors AS m WHERE m.balance_id = b.balance_id) AS is_watched,
       EXISTS (SELECT FROM hooks_hook AS h WHERE h.active) AS is_hooked, NULL AS used
FROM balances AS b
WHERE b.balance_id = ANY(ARRAY(SELECT balance_id FROM wanted))
  AND set_config('lock_timeout', %(lock_wait)s, true) IS NOT NULL
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, t.reference
FROM transactions AS t
WHERE t.reference = ANY(%(refs)b::text[])
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, q.reference || '_q'
FROM transactions AS q
WHERE q.reference = ANY(%(queued_refs)b::text[]) AND q.status IN ('QUEUED', 'SCHEDULED')
