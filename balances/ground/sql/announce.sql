-- Purpose: announce that this transaction will add work, so that no worker leaves before it has ended.
-- Parameters: lock text. Columns: announced, void.
-- A statement of its own, before the one that looks for a waiting job, because workers wait for announcements.
SELECT pg_advisory_xact_lock_shared(hashtextextended(%(lock)s::text, 0)) AS announced
