-- Purpose: the transactions that have wanted references, and what they move.
-- Parameters: refs text[]; queued_refs text[]: references of queued rows, which reserve that of their outcome.
-- Columns: wanted text, the reference; transaction_id, status, currency, units; source, destination and their indicators;
-- outcome text: the status of a queued row's outcome, NULL where it still waits or the row is not queued;
-- parent_transaction; is_refund boolean: whether the row refunds its parent.
-- Where one row has a reference and another reserves it, the one that has it comes last.
-- A lookup by the unique index of references, run for refusals only.
WITH found AS (
    SELECT t.reference AS wanted, t.transaction_id, 1 AS rank
    FROM transactions AS t
    WHERE t.reference = ANY(%(refs)s::text[])
    UNION ALL
    SELECT q.reference || '_q', q.transaction_id, 2
    FROM transactions AS q
    WHERE q.reference = ANY(%(queued_refs)s::text[]) AND q.status IN ('QUEUED', 'SCHEDULED')
)
SELECT found.wanted, t.transaction_id, t.status, t.currency,
       minor_units(t.precise_amount, t.amount, t.precision) AS units,
       t.source, s.indicator AS source_indicator, t.destination, d.indicator AS destination_indicator,
       o.status AS outcome, t.parent_transaction,
       EXISTS (
           SELECT FROM transactions AS p
           WHERE p.transaction_id = t.parent_transaction AND p.source = t.destination AND p.destination = t.source
             AND p.source <> p.destination
       ) AS is_refund
FROM found
JOIN transactions AS t USING (transaction_id)
LEFT JOIN balances AS s ON s.balance_id = t.source
LEFT JOIN balances AS d ON d.balance_id = t.destination
LEFT JOIN transactions AS o
    ON o.reference = t.reference || '_q' AND o.parent_transaction = t.transaction_id
       AND t.status IN ('QUEUED', 'SCHEDULED')
ORDER BY found.wanted, found.rank DESC
