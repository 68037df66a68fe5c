-- Purpose: what the state of the live proof is made of, in one statement that is cheap enough to be polled.
-- Parameters: none. Columns: at timestamptz: the database's own now; seconds_silent, seconds_behind double precision:
-- since the row was written, and since the instant up to which all is proved; waiting, open bigint: breaks that stand;
-- broken_balances bigint: balances with open ones; last_break_at timestamptz; gap_from timestamptz, gap_reason text: of
-- the gap that no full proof has followed yet; proved_at timestamptz: when the sweep of the full proof began.
SELECT clock_timestamp() AS at,
       extract(epoch FROM clock_timestamp() - p.seen_at)::double precision AS seconds_silent,
       extract(epoch FROM clock_timestamp() - p.proved_until)::double precision AS seconds_behind,
       b.waiting, b.open, b.broken_balances,
       (SELECT max(committed_at) FROM reconciliation_break) AS last_break_at,
       g.started_at AS gap_from, g.reason AS gap_reason, s.started_at AS proved_at
FROM reconciliation_proof AS p
LEFT JOIN reconciliation_sweep AS s ON s.sweep_id = p.full_proof_id
CROSS JOIN (
    SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'open') AS open,
           count(DISTINCT balance_id) FILTER (WHERE state = 'open') AS broken_balances
    FROM reconciliation_break
    WHERE closed_at IS NULL AND state IN ('waiting', 'open')
) AS b
LEFT JOIN LATERAL (
    SELECT started_at, reason FROM reconciliation_gap WHERE closed_at IS NULL ORDER BY started_at LIMIT 1
) AS g ON true
