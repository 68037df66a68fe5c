-- Purpose: what a database of ours holds besides what migrating makes. Parameters: none. Columns: name, in words.
SELECT name
FROM (
    SELECT 1 AS place, 'ledgers' AS name, EXISTS (SELECT FROM ledgers WHERE ledger_id <> 'general_ledger_id') AS held
    UNION ALL SELECT 2, 'balances', EXISTS (SELECT FROM balances)
    UNION ALL SELECT 3, 'transactions', EXISTS (SELECT FROM transactions)
    UNION ALL SELECT 4, 'identities', EXISTS (SELECT FROM identity)
    UNION ALL SELECT 5, 'accounts', EXISTS (SELECT FROM accounts)
    UNION ALL SELECT 6, 'snapshots', EXISTS (SELECT FROM balance_snapshots)
    UNION ALL SELECT 7, 'API keys', EXISTS (SELECT FROM api_keys)
    UNION ALL SELECT 8, 'monitors', EXISTS (SELECT FROM balance_monitors)
    UNION ALL SELECT 9, 'lineage', EXISTS (SELECT FROM lineage_mappings) OR EXISTS (SELECT FROM lineage_outbox)
    UNION ALL SELECT 10, 'queued entries', EXISTS (SELECT FROM queueing_entry)
    UNION ALL SELECT 11, 'an edit journal', EXISTS (SELECT FROM reconciliation_transactionedit)
                                         OR EXISTS (SELECT FROM reconciliation_balanceedit)
    UNION ALL SELECT 12, 'records of corrections', EXISTS (SELECT FROM reconciliation_reconstruction)
) AS holdings
WHERE held
ORDER BY place
