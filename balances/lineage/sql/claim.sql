-- Purpose: claim the next notes, in order; the claim ends with the transaction.
-- Parameters: size int. Columns: those of the outbox; is_put_off, boolean: not due yet; tracked text[]: those of its
-- balances that track their funds.
-- Postponed rows are included, because later ones on the same balances have to wait for them. Locked rows, as of another
-- writer of the same database, are waited for, because skipping them would change the order.
SELECT o.id, o.transaction_id, o.source_balance_id, o.destination_balance_id, o.provider, o.lineage_type,
       o.payload::text AS payload, o.inflight, coalesce(o.locked_until > now(), false) AS is_put_off,
       ARRAY(
           SELECT b.balance_id FROM balances AS b
           WHERE b.balance_id IN (o.source_balance_id, o.destination_balance_id) AND b.track_fund_lineage
       ) AS tracked
FROM lineage_outbox AS o
WHERE o.status IN ('pending', 'processing') AND o.attempts < o.max_attempts
ORDER BY o.id
LIMIT %(size)s
FOR UPDATE
