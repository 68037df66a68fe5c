-- Purpose: what a credit at an exchange rate amounts to, to the unit as Blnk before 0.15 computed it.
-- Parameters: the_schema, put in by the caller: that in which they are made.
--
-- Its arithmetic is that of Go's big.Float: the amount has 64 bits of precision, or as many as it needs; the product with
-- the exact binary value of the rate is rounded to that many, half to even, and what is behind the point is cut off.
-- 100 at 0.29 is 28, for the nearest float8 is below 0.29. A rate of 0, which settlements have, and none mean 1.
CREATE FUNCTION bits_of(n numeric) RETURNS integer LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = the_schema, pg_temp AS $$
DECLARE
    bits integer := greatest(floor(log(2::numeric, n))::integer, 0);
BEGIN
    -- log is rounded: at powers of two it may be off by one.
    IF n >= 2::numeric ^ (bits + 1) THEN
        bits := bits + 1;
    ELSIF n < 2::numeric ^ bits THEN
        bits := bits - 1;
    END IF;
    RETURN bits + 1;
END $$;
COMMENT ON FUNCTION bits_of IS 'How many binary digits a whole number above zero has.';

CREATE FUNCTION at_rate(units numeric, rate double precision) RETURNS numeric
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = the_schema, pg_temp AS $$
DECLARE
    raw bigint := ('x' || encode(float8send(abs(rate)), 'hex'))::bit(64)::bigint;
    exponent integer := (raw >> 52)::integer;
    mantissa numeric := (raw & 4503599627370495) + CASE WHEN exponent = 0 THEN 0 ELSE 4503599627370496 END;
    whole numeric := trunc(abs(units));
    product numeric;
    spare integer;
    step numeric;
    rest numeric;
BEGIN
    IF rate IS NULL OR rate = 0 OR rate = 1 OR units IS NULL OR units = 0 OR whole <> abs(units) THEN
        RETURN units;
    END IF;
    IF exponent = 2047 THEN
        RETURN 'NaN'::numeric;
    END IF;
    exponent := greatest(exponent, 1) - 1075;
    product := whole * mantissa;
    spare := bits_of(product) - greatest(64, bits_of(whole));
    IF spare > 0 THEN
        step := 2::numeric ^ spare;
        rest := mod(product, step);
        product := div(product, step);
        IF rest * 2 > step OR rest * 2 = step AND mod(product, 2) = 1 THEN
            product := product + 1;
        END IF;
        product := product * step;
    END IF;
    RETURN sign(units) * sign(rate::numeric) * CASE
        WHEN exponent >= 0 THEN product * 2::numeric ^ exponent
        ELSE div(product, 2::numeric ^ -exponent) END;
END $$;
COMMENT ON FUNCTION at_rate IS 'Minor units at an exchange rate, as Blnk before 0.15 credited them.';

-- What a row moves on the side of its destination.
CREATE FUNCTION minor_units(precise_amount numeric, amount numeric, "precision" bigint, rate double precision)
    RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN coalesce(rate, 1) IN (0, 1) THEN minor_units(precise_amount, amount, "precision")
                ELSE at_rate(minor_units(precise_amount, amount, "precision"), rate) END;
