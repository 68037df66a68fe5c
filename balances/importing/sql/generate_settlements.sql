-- Purpose: commit a third of the holds of a generated ledger, void another, and leave the last third open.
-- Parameters: seed bigint. Columns: made.
WITH made AS (
    INSERT INTO transactions (
        transaction_id, parent_transaction, source, destination, reference, amount, precise_amount, precision,
        currency, description, status, hash, created_at, effective_date, meta_data
    )
    SELECT 'txn_' || (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0')
                      || substr(replace(gen_random_uuid()::text, '-', ''), 13))::uuid,
           transaction_id, source, destination, reference || suffix, amount, precise_amount, precision,
           currency, description, status,
           encode(sha256(convert_to('0' || reference || suffix || currency || source || destination, 'UTF8')), 'hex'),
           now(), now(), meta_data
    FROM (
        SELECT transaction_id, source, destination, reference, amount, precise_amount, precision, currency,
               description, meta_data,
               CASE fate WHEN 0 THEN 'APPLIED' ELSE 'VOID' END AS status,
               CASE fate WHEN 0 THEN '-commit' ELSE '-void' END AS suffix
        FROM (
            SELECT *, abs(hashtextextended(reference, %(seed)s) %% 3) AS fate
            FROM transactions
            WHERE status = 'INFLIGHT'
        ) AS hold
        WHERE fate < 2
    ) AS settlement
    RETURNING 1
)
SELECT count(*) AS made FROM made
