-- Purpose: the rows under ids: the row itself, its holds and queued rows, and how far each hold is settled.
-- Parameters: ids text[]: transactions, split parents or batches; roots, endings text[] of equal length: references to
-- look up, each made of the id of a hold under the root and the ending.
-- Columns: root, the requested id; the row; committed, released numeric, voided boolean; waits boolean: whether a queued
-- row will still become a hold; named text[][]: reference, id and minor units of each transaction that has a wanted
-- reference, and whether it settles this hold. Newest first; legs of one split share an instant, and come last one first.
-- The parent of a hold is its root, or a queued row whose parent is the root.
WITH own AS (
    SELECT t.transaction_id AS root, t.*
    FROM transactions AS t
    WHERE t.transaction_id = ANY(%(ids)s::text[])
),
children AS (
    SELECT t.parent_transaction AS root, t.*
    FROM transactions AS t
    WHERE t.parent_transaction = ANY(%(ids)s::text[]) AND t.parent_transaction > ''
      AND t.status IN ('INFLIGHT', 'QUEUED', 'SCHEDULED')
),
grandchildren AS (
    SELECT c.root, t.*
    FROM children AS c
    JOIN transactions AS t
        ON t.parent_transaction = c.transaction_id AND t.parent_transaction > '' AND t.status = 'INFLIGHT'
    WHERE c.status IN ('QUEUED', 'SCHEDULED')
),
found AS (
    SELECT * FROM own
    UNION ALL
    SELECT * FROM children
    UNION ALL
    SELECT * FROM grandchildren
),
named AS (
    SELECT f.root, f.transaction_id,
           array_agg(ARRAY[
               n.reference, n.transaction_id,
               minor_units(n.precise_amount, n.amount, n.precision)::text,
               CASE WHEN n.parent_transaction = f.transaction_id THEN 'yes' ELSE '' END
           ]) AS named
    FROM found AS f
    JOIN unnest(%(roots)s::text[], %(endings)s::text[]) AS wanted (root, ending) ON wanted.root = f.root
    JOIN transactions AS n ON n.reference = f.transaction_id || wanted.ending
    WHERE f.status = 'INFLIGHT'
    GROUP BY f.root, f.transaction_id
)
SELECT f.*, settled.committed, settled.released, settled.voided, named.named,
       f.status = 'QUEUED' AND EXISTS (
           SELECT FROM queueing_entry AS e WHERE e.transaction_id = f.transaction_id AND e.action = 'apply' AND e.inflight
       ) AS waits
FROM found AS f
LEFT JOIN LATERAL (
    SELECT coalesce(sum(s.units) FILTER (WHERE s.status = 'APPLIED'), 0) AS committed,
           coalesce(sum(s.units) FILTER (WHERE s.status = 'VOID'), 0) AS released,
           count(*) FILTER (WHERE s.status = 'VOID') > 0 AS voided
    FROM settlements_of(f.transaction_id, f.parent_transaction) AS s
    WHERE f.status = 'INFLIGHT'
) AS settled ON true
LEFT JOIN named USING (root, transaction_id)
ORDER BY f.created_at DESC,
         CASE WHEN jsonb_typeof(f.meta_data -> 'sequence') = 'number' THEN (f.meta_data ->> 'sequence')::numeric END
         DESC NULLS LAST,
         length(f.reference) DESC, f.reference DESC, f.transaction_id DESC
