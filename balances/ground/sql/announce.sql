-- Purpose: say that this transaction is about to add entries, so that no worker leaves before it has ended.
-- Parameters: lock text. Columns: announced, void.
-- A statement of its own, before the one that looks for a waiting job: whoever has said so is waited for.
SELECT pg_advisory_xact_lock_shared(hashtextextended(%(lock)s::text, 0)) AS announced
