-- Purpose: A currency looks like another one
-- Description: Two currencies differ in case, blanks, characters that cannot be seen, or letters of another alphabet. Their
--   balances are kept apart, although one currency may be meant; the finding is on those of the rarer one.
-- Verdict: remark
-- Runs: once
WITH used AS (
    SELECT currency, count(*) AS balances,
           translate(
               upper(normalize(regexp_replace(
                   currency, '[[:space:][:cntrl:]\u00a0\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]', '', 'g'), NFKC)),
               'АВЕЅІЈКМНОРСТУХΑΒΕΖΗΙΚΜΝΟΡΤΥΧ0', 'ABESIJKMHOPCTYXABEZHIKMNOPTYXO') AS look
    FROM balances
    WHERE currency > ''
    GROUP BY currency
),
ranked AS (
    SELECT currency, first_value(currency) OVER (PARTITION BY look ORDER BY balances DESC, currency) AS usual
    FROM used
)
SELECT b.balance_id,
       format('Its currency %%s looks like %%s, which more balances have.', quote_literal(r.currency), quote_literal(r.usual))
           AS detail,
       NULL::text[] AS rows
FROM ranked AS r
JOIN balances AS b ON b.currency = r.currency
WHERE r.currency <> r.usual
