-- Purpose: rows of one amount, moment and side of a balance, as a bank books the lines of a lot: of balances that lack
-- something on one side, as the one where the lot came together or as one of the others.
-- Parameters: balance_ids text[], sides text[] (credit, debit), missing numeric[], as many of each.
-- Columns: balance_id; hub, hub_side: where the lot came together; units: the amount that each line has; rows, others:
-- the lines and their other balances. A thousand amounts of a balance at most are looked at.
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest(%(balance_ids)s::text[], %(sides)s::text[], %(missing)s::numeric[]) AS w (balance_id, side, missing)
),
lots AS MATERIALIZED (
    SELECT w.balance_id, l.destination AS hub, 'credit' AS hub_side, l.effective_date, l.precise_amount
    FROM wanted AS w
    CROSS JOIN LATERAL (
        SELECT DISTINCT t.destination, t.effective_date, t.precise_amount FROM /*dated*/transactions AS t
        WHERE t.status = 'APPLIED' AND t.source = w.balance_id AND t.precise_amount > w.missing
        LIMIT 1000
    ) AS l
    WHERE w.side = 'debit'
    UNION
    SELECT w.balance_id, l.source, 'debit', l.effective_date, l.precise_amount
    FROM wanted AS w
    CROSS JOIN LATERAL (
        SELECT DISTINCT t.source, t.effective_date, t.precise_amount FROM /*dated*/transactions AS t
        WHERE t.status = 'APPLIED' AND t.destination = w.balance_id AND t.precise_amount > w.missing
        LIMIT 1000
    ) AS l
    WHERE w.side = 'credit'
    UNION
    SELECT w.balance_id, w.balance_id, w.side, l.effective_date, l.precise_amount
    FROM wanted AS w
    CROSS JOIN LATERAL (
        SELECT t.effective_date, t.precise_amount FROM /*dated*/transactions AS t
        WHERE t.status = 'APPLIED' AND t.destination = w.balance_id AND t.precise_amount <= w.missing
        GROUP BY t.effective_date, t.precise_amount
        HAVING (count(*) - 1) * t.precise_amount = w.missing
    ) AS l
    WHERE w.side = 'credit'
    UNION
    SELECT w.balance_id, w.balance_id, w.side, l.effective_date, l.precise_amount
    FROM wanted AS w
    CROSS JOIN LATERAL (
        SELECT t.effective_date, t.precise_amount FROM /*dated*/transactions AS t
        WHERE t.status = 'APPLIED' AND t.source = w.balance_id AND t.precise_amount <= w.missing
        GROUP BY t.effective_date, t.precise_amount
        HAVING (count(*) - 1) * t.precise_amount = w.missing
    ) AS l
    WHERE w.side = 'debit'
)
SELECT l.balance_id, l.hub, l.hub_side, l.precise_amount AS units,
       array_agg(line.transaction_id ORDER BY line.transaction_id) AS rows,
       array_agg(line.other ORDER BY line.transaction_id) AS others
FROM lots AS l
CROSS JOIN LATERAL (
    (SELECT t.transaction_id, t.source AS other FROM /*dated*/transactions AS t
     WHERE l.hub_side = 'credit' AND t.status = 'APPLIED' AND t.destination = l.hub
       AND t.effective_date = l.effective_date AND t.precise_amount = l.precise_amount
     LIMIT 1000)
    UNION ALL
    (SELECT t.transaction_id, t.destination FROM /*dated*/transactions AS t
     WHERE l.hub_side = 'debit' AND t.status = 'APPLIED' AND t.source = l.hub
       AND t.effective_date = l.effective_date AND t.precise_amount = l.precise_amount
     LIMIT 1000)
) AS line
GROUP BY l.balance_id, l.hub, l.hub_side, l.effective_date, l.precise_amount
HAVING count(*) BETWEEN 2 AND 999 AND count(DISTINCT line.other) = count(*)
ORDER BY l.balance_id, l.hub, l.effective_date
