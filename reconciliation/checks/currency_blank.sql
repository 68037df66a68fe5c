-- Purpose: A balance has no currency
-- Description: Without a currency it is unknown what the totals of a balance are amounts of, so it is not judged.
-- Verdict: not proved
-- Runs: chunk
SELECT balance_id, 'Its currency is empty, or made of blanks and characters that cannot be seen.' AS detail,
       NULL::text[] AS rows
FROM balances
WHERE (%(balance_ids)s::text[] IS NULL OR balance_id = ANY(%(balance_ids)s::text[]))
  AND (currency IS NULL OR currency !~ '[^[:space:][:cntrl:]\u00a0\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]')
