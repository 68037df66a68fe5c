-- Purpose: make one batch of the transactions of a generated ledger; applied, but for the holds spread among them.
-- Parameters: first and last, the numbers of the batch out of 1 … transactions; balances, holds and seed bigint;
-- begin timestamptz, the instant of number 1; every interval, between two. Columns: made.
-- All follows from the number and the seed by a hash, not from random(), so that batches may be of any size.
-- One row in twenty goes from or to the first balance: every ledger has an account that is in everything.
-- Ids, references and instants rise, and balances come and go, a twentieth of them being busy at a time: as in life,
-- and so that each index grows in few places: rows spread evenly over all balances wrote three times as much WAL.
WITH made AS (
    INSERT INTO transactions (
        transaction_id, parent_transaction, source, destination, reference, amount, precise_amount, precision,
        currency, description, status, hash, created_at, effective_date, meta_data
    )
    SELECT 'txn_' || (lpad(to_hex((extract(epoch FROM instant) * 1000)::bigint), 12, '0')
                      || '7' || substr(digits, 1, 3) || '8' || substr(digits, 4))::uuid,
           '', source, destination, reference, units / 100.0, units, 100, 'USD', 'generated',
           CASE WHEN number * %(holds)s / %(transactions)s > (number - 1) * %(holds)s / %(transactions)s
                THEN 'INFLIGHT' ELSE 'APPLIED' END,
           encode(sha256(convert_to('0' || reference || 'USD' || source || destination, 'UTF8')), 'hex'),
           instant, instant, '{"allow_overdraft": true}'
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number
    CROSS JOIN LATERAL (
        SELECT least(%(balances)s, greatest(%(balances)s / 20, 100)) AS busy
    ) AS setting
    CROSS JOIN LATERAL (
        SELECT (%(balances)s * number / %(transactions)s + abs(hashint8extended(number, %(seed)s) %% busy))
               %% %(balances)s AS drawn,
               1 + abs(hashint8extended(number, ~%(seed)s::bigint) %% (busy - 1)) AS further
    ) AS draw
    CROSS JOIN LATERAL (
        SELECT CASE number %% 40 WHEN 0 THEN 0 WHEN 20 THEN greatest(drawn, 1) ELSE drawn END AS source_number,
               CASE number %% 40 WHEN 0 THEN greatest(drawn, 1) WHEN 20 THEN 0
                    ELSE (drawn + further) %% %(balances)s END AS destination_number
    ) AS sides
    CROSS JOIN LATERAL (
        SELECT 'bln_' || (lpad(to_hex(hashint8extended(source_number, %(seed)s)), 16, '0')
                          || lpad(to_hex(hashint8extended(source_number, ~%(seed)s::bigint)), 16, '0'))::uuid AS source,
               'bln_' || (lpad(to_hex(hashint8extended(destination_number, %(seed)s)), 16, '0')
                          || lpad(to_hex(hashint8extended(destination_number, ~%(seed)s::bigint)), 16, '0'))::uuid
                   AS destination,
               'generated-' || lpad(number::text, 10, '0') AS reference,
               1 + abs(hashint8extended(number, %(seed)s + 1) %% 100000) AS units,
               lpad(to_hex(hashint8extended(number, %(seed)s + 2)), 18, '0') AS digits,
               %(begin)s::timestamptz + (number - 1) * %(every)s::interval AS instant
    ) AS posting
    RETURNING 1
)
SELECT count(*) AS made FROM made
