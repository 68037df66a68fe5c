-- Purpose: credit and debit of a balance at an instant, summed from its applied rows in one snapshot of the database.
-- Parameters: balance_id text; instant timestamptz, still included.
-- Columns: currency; credit and debit, minor units. No row where there is no such balance.
-- A row counts from its effective date on, or from its creation on without one. Rows with a date and minor units, which
-- are all that this ledger writes, are read from the covering indexes of applied rows alone; undated rows are at one end
-- of these indexes, and rows from before precise_amount existed have small indexes of their own.
SELECT b.currency, c.dated + c.undated + c.legacy AS credit, d.dated + d.undated + d.legacy AS debit
FROM balances AS b
CROSS JOIN (
    SELECT coalesce((
        SELECT sum(precise_amount) FROM transactions
        WHERE status = 'APPLIED' AND destination = %(balance_id)s AND effective_date <= %(instant)s
    ), 0) AS dated,
    coalesce((
        SELECT sum(precise_amount) FROM transactions
        WHERE status = 'APPLIED' AND destination = %(balance_id)s AND effective_date IS NULL
          AND created_at <= %(instant)s
    ), 0) AS undated,
    coalesce((
        SELECT sum(minor_units(NULL, amount, precision)) FROM transactions
        WHERE status = 'APPLIED' AND destination = %(balance_id)s AND precise_amount IS NULL
          AND coalesce(effective_date, created_at) <= %(instant)s
    ), 0) AS legacy
) AS c
CROSS JOIN (
    SELECT coalesce((
        SELECT sum(precise_amount) FROM transactions
        WHERE status = 'APPLIED' AND source = %(balance_id)s AND effective_date <= %(instant)s
    ), 0) AS dated,
    coalesce((
        SELECT sum(precise_amount) FROM transactions
        WHERE status = 'APPLIED' AND source = %(balance_id)s AND effective_date IS NULL
          AND created_at <= %(instant)s
    ), 0) AS undated,
    coalesce((
        SELECT sum(minor_units(NULL, amount, precision)) FROM transactions
        WHERE status = 'APPLIED' AND source = %(balance_id)s AND precise_amount IS NULL
          AND coalesce(effective_date, created_at) <= %(instant)s
    ), 0) AS legacy
) AS d
WHERE b.balance_id = %(balance_id)s
