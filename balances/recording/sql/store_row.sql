-- Purpose: store one row that waits, with its entry in the queue, where nothing speaks against it; else store nothing.
-- Parameters: those of the row but for the sides, source and destination: a balance id or an @indicator; outcome text,
-- the reference of its outcome; action, group_id, inflight, allow_overdraft, overdraft_limit of the entry.
-- Columns: transaction_id of the stored row.
-- Whatever is unusual is not stored: the caller then reads, decides and says why (read_balances.sql, the book). NaN and
-- infinite totals, to which no one can post, are larger or smaller than all others.
WITH sides AS MATERIALIZED (
    SELECT CASE WHEN starts_with(%(source)s::text, '@') THEN (
               SELECT b.balance_id FROM balances AS b
               WHERE b.indicator = %(source)s::text AND b.currency = %(currency)s::text
           ) ELSE %(source)s::text END AS source,
           CASE WHEN starts_with(%(destination)s::text, '@') THEN (
               SELECT b.balance_id FROM balances AS b
               WHERE b.indicator = %(destination)s::text AND b.currency = %(currency)s::text
           ) ELSE %(destination)s::text END AS destination
),
stored AS (
    INSERT INTO transactions (
        transaction_id, parent_transaction, source, destination, reference, amount, precise_amount, precision,
        currency, description, status, hash, created_at, effective_date, scheduled_for, meta_data
    )
    SELECT %(transaction_id)s::text, %(parent_transaction)s::text, s.source, s.destination, %(reference)s::text,
           %(amount)s::numeric, %(precise_amount)s::numeric, %(precision)s::bigint, %(currency)s::text,
           %(description)s::text, %(status)s::text, %(hash)s::text, %(created_at)s::timestamptz,
           %(effective_date)s::timestamptz, %(scheduled_for)s::timestamptz, %(meta_data)s::jsonb
    FROM sides AS s
    WHERE s.source <> s.destination
      AND 2 = (
          SELECT count(*) FROM balances AS b
          WHERE b.balance_id IN (s.source, s.destination)
            AND least(b.balance, b.credit_balance, b.debit_balance, b.inflight_credit_balance,
                      b.inflight_debit_balance) > '-Infinity'
            AND greatest(b.balance, b.credit_balance, b.debit_balance, b.inflight_credit_balance,
                         b.inflight_debit_balance) < 'Infinity'
      )
      AND NOT EXISTS (SELECT FROM transactions AS t WHERE t.reference IN (%(reference)s::text, %(outcome)s::text))
    RETURNING transaction_id
)
INSERT INTO queueing_entry (
    action, transaction_id, group_id, action_id, is_timer, inflight, allow_overdraft, overdraft_limit, due_at, attempts,
    last_error
)
SELECT %(action)s::text, s.transaction_id, %(group_id)s::text, '', false, %(inflight)s::boolean,
       %(allow_overdraft)s::boolean, %(overdraft_limit)s::numeric, now(), 0, ''
FROM stored AS s
RETURNING transaction_id
