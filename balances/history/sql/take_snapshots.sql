-- Purpose: write the snapshots of the next balances in key order that have none of this day (UTC) yet.
-- Parameters: after text, the last key that is done; batch_size int; taken_at timestamptz, the instant of the run.
-- Columns: last text, the last key of the batch, NULL where there is none left; taken bigint, snapshots written.
-- A balance with a missing total, as in a foreign database, is left out; a sweep reports it.
-- Totals and newest row come from one snapshot of the database. Postings are not blocked, and rows are locked only by
-- foreign keys.
WITH batch AS (
    SELECT b.* FROM balances AS b
    WHERE b.balance_id > %(after)s
    ORDER BY b.balance_id
    LIMIT %(batch_size)s
), taken AS (
    INSERT INTO balance_snapshots (
        balance_id, ledger_id, balance, credit_balance, debit_balance,
        inflight_balance, inflight_credit_balance, inflight_debit_balance,
        currency, snapshot_time, created_at, last_tx_id, meta_data
    )
    SELECT b.balance_id, b.ledger_id, b.balance, b.credit_balance, b.debit_balance,
           b.inflight_balance, b.inflight_credit_balance, b.inflight_debit_balance,
           b.currency, %(taken_at)s, %(taken_at)s, newest.transaction_id, b.meta_data
    FROM batch AS b
    LEFT JOIN LATERAL (
        (SELECT t.transaction_id, t.created_at FROM transactions AS t
         WHERE hashtextextended(t.source, 0) = hashtextextended(b.balance_id, 0) AND t.source = b.balance_id
         ORDER BY t.created_at DESC LIMIT 1)
        UNION ALL
        (SELECT t.transaction_id, t.created_at FROM transactions AS t
         WHERE hashtextextended(t.destination, 0) = hashtextextended(b.balance_id, 0) AND t.destination = b.balance_id
         ORDER BY t.created_at DESC LIMIT 1)
        ORDER BY created_at DESC LIMIT 1
    ) AS newest ON true
    WHERE num_nulls(b.balance, b.credit_balance, b.debit_balance,
                    b.inflight_balance, b.inflight_credit_balance, b.inflight_debit_balance) = 0
      AND NOT EXISTS (
        SELECT FROM balance_snapshots AS s
        WHERE s.balance_id = b.balance_id
          AND (s.snapshot_time AT TIME ZONE 'UTC')::date = (%(taken_at)s AT TIME ZONE 'UTC')::date
    )
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT (SELECT max(balance_id) FROM batch) AS last, (SELECT count(*) FROM taken) AS taken
