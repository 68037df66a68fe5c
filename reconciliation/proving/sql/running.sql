-- Purpose: the running drift of balances: that of the full proof, and what each commit since then has added
-- (docs/live-proof.md, "A proof without a gap").
-- Parameters: stream bigint; sweep text (of the full proof; NULL where there is none yet); balance_ids text[].
-- Columns: balance_id, and the six totals, numeric.
-- A break is in what a sweep measured if its transaction is visible in the snapshot of that.
WITH proved AS (
    SELECT wanted.balance_id, measured_in(%(sweep)s, wanted.balance_id) AS snapshot,
           f.previous_credit_balance - f.recalculated_credit_balance AS credit_balance,
           f.previous_debit_balance - f.recalculated_debit_balance AS debit_balance,
           f.previous_balance - f.recalculated_balance AS balance,
           f.previous_inflight_credit_balance - f.recalculated_inflight_credit_balance AS inflight_credit_balance,
           f.previous_inflight_debit_balance - f.recalculated_inflight_debit_balance AS inflight_debit_balance,
           f.previous_inflight_balance - f.recalculated_inflight_balance AS inflight_balance
    FROM unnest(%(balance_ids)s::text[]) AS wanted (balance_id)
    LEFT JOIN reconciliation_finding AS f
        ON f.sweep_id = %(sweep)s AND f.balance_id = wanted.balance_id AND f.drifted
)
SELECT p.balance_id,
       coalesce(max(p.credit_balance), 0) + coalesce(sum(b.credit_balance), 0) AS credit_balance,
       coalesce(max(p.debit_balance), 0) + coalesce(sum(b.debit_balance), 0) AS debit_balance,
       coalesce(max(p.balance), 0) + coalesce(sum(b.balance), 0) AS balance,
       coalesce(max(p.inflight_credit_balance), 0) + coalesce(sum(b.inflight_credit_balance), 0)
           AS inflight_credit_balance,
       coalesce(max(p.inflight_debit_balance), 0) + coalesce(sum(b.inflight_debit_balance), 0)
           AS inflight_debit_balance,
       coalesce(max(p.inflight_balance), 0) + coalesce(sum(b.inflight_balance), 0) AS inflight_balance
FROM proved AS p
LEFT JOIN reconciliation_break AS b
    ON b.balance_id = p.balance_id AND b.stream = %(stream)s
   AND (p.snapshot IS NULL OR NOT pg_visible_in_snapshot(b.xid::text::xid8, p.snapshot))
GROUP BY p.balance_id
