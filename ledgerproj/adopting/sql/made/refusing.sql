-- Purpose: refuses what the mode does not allow, whatever rights the connected role has.
CREATE FUNCTION refuse_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'insufficient_privilege',
        MESSAGE = format('%s on %s refused: the mode in which this database was adopted does not allow it.',
                         TG_OP, TG_TABLE_NAME),
        HINT = 'backoffice.adoption has the mode; manage.py adopt changes it.';
END $$;
