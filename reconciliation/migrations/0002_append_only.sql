-- Records are never changed, by anyone.

CREATE FUNCTION refuse_record_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = '23514',
        CONSTRAINT = 'records_are_append_only',
        MESSAGE = format('Records of reconstructions are append-only: %s refused.', TG_OP),
        HINT = 'Correct by adding: another reconstruction leaves another record.';
END $$;

CREATE TRIGGER records_are_append_only BEFORE UPDATE OR DELETE ON reconciliation_reconstruction
    FOR EACH ROW EXECUTE FUNCTION refuse_record_change();
CREATE TRIGGER records_are_not_truncated BEFORE TRUNCATE ON reconciliation_reconstruction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_record_change();
