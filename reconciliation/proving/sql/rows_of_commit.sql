-- Purpose: transactions of a balance that a large commit wrote, where they were too many to be named while it was read.
-- Parameters: balance_id text; xid text (without the epoch); most integer. Columns: transaction_id.
SELECT t.transaction_id
FROM transactions AS t
WHERE (hashtextextended(t.source, 0) = hashtextextended(%(balance_id)s, 0) AND t.source = %(balance_id)s
       OR hashtextextended(t.destination, 0) = hashtextextended(%(balance_id)s, 0) AND t.destination = %(balance_id)s)
  AND t.xmin = %(xid)s::text::xid
LIMIT %(most)s
