-- Purpose: note movements whose funds are to be traced, in order.
-- Parameters: an array of equal length for each column. Columns: none.
INSERT INTO lineage_outbox (
    transaction_id, source_balance_id, destination_balance_id, provider, lineage_type, payload, inflight,
    status, attempts, max_attempts, created_at
)
SELECT n.transaction_id, n.source_balance_id, n.destination_balance_id, n.provider, n.lineage_type, n.payload::jsonb,
       n.inflight, 'pending', 0, 5, now()
FROM unnest(
    %(transaction_id)s::text[], %(source_balance_id)s::text[], %(destination_balance_id)s::text[], %(provider)s::text[],
    %(lineage_type)s::text[], %(payload)s::text[], %(inflight)s::boolean[]
) WITH ORDINALITY AS n (transaction_id, source_balance_id, destination_balance_id, provider, lineage_type, payload,
                        inflight, place)
ORDER BY n.place
