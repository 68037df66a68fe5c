-- What a row moves, in minor units: the one place that says how rows from before precise_amount existed count.
--
-- For the planner to put the body in the place of a call, so that indexes and index-only scans serve as if it had been
-- written out: plain SQL, not STRICT, no SET, and each argument used once. The body is bound to PostgreSQL's own
-- operators when the function is made, so no search_path of a caller can change its meaning.
CREATE FUNCTION minor_units(precise_amount numeric, amount numeric, "precision" bigint) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(precise_amount, round(amount * coalesce(nullif("precision", 0), 1)));
COMMENT ON FUNCTION minor_units IS
    'Minor units of a transaction. Without a precise amount: amount times precision, of which 0 and NULL count as 1, '
    'rounded half away from zero.';
