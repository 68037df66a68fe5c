-- Purpose: how many attempts to deliver events and to notify people have failed since an instant.
-- Parameters: since timestamptz. Columns: deliveries, notifications bigint.
SELECT (SELECT count(*) FROM hooks_delivery WHERE outcome = 'failed' AND attempted_at >= %(since)s) AS deliveries,
       (SELECT count(*) FROM reconciliation_alertdelivery
        WHERE outcome = 'failed' AND attempted_at >= %(since)s) AS notifications
