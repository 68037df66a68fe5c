-- Purpose: A balance belongs to no ledger
-- Description: Every balance belongs to a ledger. This one names a ledger that is not there, or none: the ledger was
--   deleted past the foreign keys, or a restored backup lacks it. Its money is in no list and no total of a ledger.
-- Verdict: fault
-- Runs: chunk
SELECT b.balance_id,
       CASE WHEN coalesce(b.ledger_id, '') = '' THEN 'It names no ledger.'
            ELSE format('There is no ledger %%s, which it names.', quote_literal(left(b.ledger_id, 60))) END AS detail,
       NULL::text[] AS rows
FROM balances AS b
LEFT JOIN ledgers AS l ON l.ledger_id = b.ledger_id
WHERE l.ledger_id IS NULL
  AND (%(balance_ids)s::text[] IS NULL OR b.balance_id = ANY(%(balance_ids)s::text[]))
