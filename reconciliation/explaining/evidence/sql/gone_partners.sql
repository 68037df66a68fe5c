-- Purpose: balances that may share a movement with others whose drift is known, so that theirs is worth comparing.
-- Parameters: balance_ids text[], sides text[] (of drift), units numeric[], as many of each; look_around boolean: whether
-- to look beyond what sweeps found; most int. Columns: balance_id.
-- From the findings of sweeps: those off by as much on the opposite side, and those that counted more postings than
-- they have rows. Around them: balances on the other side of rows, and all of a currency that has few of them. No more,
-- because a person is waiting for the answer.
WITH given AS MATERIALIZED (
    SELECT b.balance_id, b.currency, g.side, g.units
    FROM unnest(%(balance_ids)s::text[], %(sides)s::text[], %(units)s::numeric[]) AS g (balance_id, side, units)
    JOIN balances AS b ON b.balance_id = g.balance_id
),
found AS (
    SELECT f.balance_id, f.currency, off.side, off.units
    FROM reconciliation_finding AS f
    CROSS JOIN LATERAL (VALUES
        ('debit', f.previous_credit_balance - f.recalculated_credit_balance),
        ('credit', f.previous_debit_balance - f.recalculated_debit_balance),
        ('inflight_debit', f.previous_inflight_credit_balance - f.recalculated_inflight_credit_balance),
        ('inflight_credit', f.previous_inflight_debit_balance - f.recalculated_inflight_debit_balance)
    ) AS off (side, units)
    WHERE f.drifted AND f.superseded_by IS NULL AND off.units <> 0
),
around AS (
    SELECT DISTINCT balance_id, currency FROM given WHERE %(look_around)s
),
near AS (
    SELECT f.balance_id
    FROM found AS f
    JOIN given AS a ON a.currency = f.currency AND a.side = f.side AND a.units = f.units
    UNION
    (SELECT f.balance_id
     FROM reconciliation_finding AS f
     WHERE f.drifted AND f.superseded_by IS NULL AND f.currency IN (SELECT currency FROM given)
       AND f.version > 1 + f.credit_rows + f.debit_rows + f.hold_rows
     LIMIT %(most)s)
    UNION
    SELECT r.destination
    FROM around AS a
    CROSS JOIN LATERAL (
        SELECT t.destination FROM transactions AS t
        WHERE t.status = 'APPLIED' AND t.source = a.balance_id LIMIT 10 * %(most)s
    ) AS r
    UNION
    SELECT r.source
    FROM around AS a
    CROSS JOIN LATERAL (
        SELECT t.source FROM transactions AS t
        WHERE t.status = 'APPLIED' AND t.destination = a.balance_id LIMIT 10 * %(most)s
    ) AS r
    UNION
    SELECT o.balance_id
    FROM (SELECT DISTINCT currency FROM around) AS a
    CROSS JOIN LATERAL (SELECT o.balance_id FROM balances AS o WHERE o.currency = a.currency LIMIT %(most)s) AS o
)
SELECT b.balance_id
FROM near AS n
JOIN balances AS b ON b.balance_id = n.balance_id
WHERE b.version > 1 AND b.currency IN (SELECT currency FROM given)
LIMIT 5 * %(most)s
