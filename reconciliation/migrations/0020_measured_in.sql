-- In which snapshot a sweep of everything measured a balance: the one place that says so. A transaction is in the
-- measurement if it is visible in it. NULL where the sweep measured nothing at all.
--
-- A finding has its own. Else it is that of the chunk with the balance's key; beyond the last key there was no balance,
-- as the last chunk saw. Its text is parsed when it runs: adopting a database alters columns that it reads.
CREATE FUNCTION measured_in(sweep text, balance text) RETURNS pg_snapshot LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT coalesce(
        (SELECT nullif(f.snapshot, '') FROM reconciliation_finding AS f
         WHERE f.sweep_id = sweep AND f.balance_id = balance AND f.drifted),
        (SELECT c.snapshot FROM reconciliation_sweepchunk AS c
         WHERE c.sweep_id = sweep AND c.through >= balance ORDER BY c.through LIMIT 1),
        (SELECT c.snapshot FROM reconciliation_sweepchunk AS c
         WHERE c.sweep_id = sweep ORDER BY c.through DESC LIMIT 1)
    )::pg_snapshot
$$;
COMMENT ON FUNCTION measured_in IS 'The snapshot in which a sweep of everything measured a balance.';
