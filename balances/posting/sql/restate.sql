-- Purpose: correct totals by the negative of their drift and leave the result in the metadata.
-- Parameters: balance_ids text[]; as many numeric for each of the six totals, to be added; results text[] (JSON, or
-- NULL where nothing was measured: the metadata then stays as it is).
-- Columns: balance_id, version. The caller has locked the rows in key order.
-- The version rises only where a total moves: a writer holding absolute totals of before must then retry.
-- Metadata that is no object counts as empty, so that balances with damaged metadata are not left out.
-- The mark shows the edit journal that this UPDATE is no edit; it is set before a row changes, for this statement only.
UPDATE balances AS b
SET credit_balance = b.credit_balance + m.credit,
    debit_balance = b.debit_balance + m.debit,
    balance = b.balance + m.balance,
    inflight_credit_balance = b.inflight_credit_balance + m.inflight_credit,
    inflight_debit_balance = b.inflight_debit_balance + m.inflight_debit,
    inflight_balance = b.inflight_balance + m.inflight_balance,
    version = b.version + CASE
        WHEN (m.credit, m.debit, m.balance, m.inflight_credit, m.inflight_debit, m.inflight_balance)
             = (0, 0, 0, 0, 0, 0) THEN 0 ELSE 1 END,
    meta_data = CASE WHEN m.result IS NULL THEN b.meta_data
                     ELSE CASE WHEN jsonb_typeof(b.meta_data) = 'object' THEN b.meta_data ELSE '{}'::jsonb END
                          - 'BLNK_RUN_RECONCILIATION'
                          || jsonb_build_object('BLNK_RECONCILIATION_RESULT', m.result::jsonb) END
FROM unnest(
    %(balance_ids)s::text[], %(credits)s::numeric[], %(debits)s::numeric[], %(balances)s::numeric[],
    %(inflight_credits)s::numeric[], %(inflight_debits)s::numeric[], %(inflight_balances)s::numeric[],
    %(results)s::text[]
) AS m (balance_id, credit, debit, balance, inflight_credit, inflight_debit, inflight_balance, result)
WHERE b.balance_id = m.balance_id
  AND set_config('ledger.writer', statement_timestamp()::text, true) IS NOT NULL
RETURNING b.balance_id, b.version
