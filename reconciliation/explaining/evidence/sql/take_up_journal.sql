-- Purpose: take up what Blnk's own journal of transactions saw deleted, or changed in more than metadata and the chain,
-- as entries of the edit journal. Parameters: none. Columns: taken int.
-- Only for adopted databases. Each entry is read once, in the order of its serial number; those of the last minutes are
-- read again, for one with a smaller number may have been committed later. That journal does not know the user.
WITH standing AS MATERIALIZED (
    SELECT last FROM journal_taken FOR UPDATE
),
fresh AS MATERIALIZED (
    SELECT j.* FROM standing AS s JOIN transaction_journal AS j ON j.id > s.last WHERE j.succeeded
),
found AS (
    SELECT f.* FROM fresh AS f
    WHERE f.action_type = 'DELETE'
       OR f.action_type = 'UPDATE'
          AND f.old_data - ARRAY['meta_data', 'chain_seq', 'chain_prev_hash', 'chain_hash']
              IS DISTINCT FROM f.new_data - ARRAY['meta_data', 'chain_seq', 'chain_prev_hash', 'chain_hash']
),
taken AS (
    INSERT INTO reconciliation_transactionedit (
        transaction_id, source, destination, operation, old, new, edited_at,
        database_user, client_address, application_name, backend_pid
    )
    SELECT f.transaction_id, f.old_data ->> 'source', f.old_data ->> 'destination', f.action_type, f.old_data, f.new_data,
           f.timestamp, 'unknown', host(f.client_addr), '', coalesce(f.backend_pid, 0)
    FROM found AS f
    WHERE NOT EXISTS (
        SELECT FROM reconciliation_transactionedit AS e
        WHERE e.transaction_id = f.transaction_id AND e.operation = f.action_type AND e.edited_at = f.timestamp
          AND e.old = f.old_data
    )
    ORDER BY f.id
    RETURNING 1
),
moved AS (
    UPDATE journal_taken AS t
    SET last = settled.id
    FROM (SELECT max(id) AS id FROM fresh WHERE timestamp < now() - interval '10 minutes') AS settled
    WHERE settled.id > t.last
)
SELECT count(*)::integer AS taken FROM taken
