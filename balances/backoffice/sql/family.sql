-- Purpose: the rows of one movement, for the page of one of them: it, what it comes from, the legs beside it, and what
-- came of all these.
-- Parameters: id text; most int: rows at most. Columns: transaction_id text; settles boolean: whether it settles a hold.
-- UNION, not UNION ALL, in the last recursion: in a damaged database, parents may form a circle.
WITH RECURSIVE up AS (
    SELECT t.transaction_id, t.parent_transaction, 0 AS level
    FROM transactions AS t
    WHERE t.transaction_id = %(id)s
    UNION ALL
    SELECT p.transaction_id, p.parent_transaction, u.level + 1
    FROM up AS u
    JOIN transactions AS p ON p.transaction_id = u.parent_transaction
    WHERE u.level < 8
),
top AS (SELECT parent_transaction FROM up ORDER BY level DESC LIMIT 1),
near AS (
    SELECT u.transaction_id FROM up AS u
    UNION ALL
    (
        SELECT t.transaction_id
        FROM top
        JOIN transactions AS t ON t.parent_transaction = top.parent_transaction AND t.parent_transaction > ''
        LIMIT %(most)s
    )
),
family AS (
    SELECT n.transaction_id FROM near AS n
    UNION
    SELECT c.transaction_id
    FROM family AS f
    JOIN transactions AS c ON c.parent_transaction = f.transaction_id AND c.parent_transaction > ''
)
SELECT f.transaction_id, EXISTS (SELECT FROM settlements AS s WHERE s.transaction_id = f.transaction_id) AS settles
FROM (SELECT transaction_id FROM family LIMIT %(most)s) AS f
