-- Steps, refusals, seals and the journal are records as well: never changed, by anyone.

CREATE OR REPLACE FUNCTION refuse_record_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = '23514',
        CONSTRAINT = 'records_are_append_only',
        MESSAGE = format('Records are append-only: %s on %s refused.', TG_OP, TG_TABLE_NAME),
        HINT = 'Correct by adding: whatever is done next leaves another record.';
END $$;

DO $$
DECLARE
    record_table text;
BEGIN
    FOREACH record_table IN ARRAY ARRAY[
        'reconciliation_step', 'reconciliation_refusal', 'reconciliation_seal',
        'reconciliation_balanceedit', 'reconciliation_transactionedit'
    ] LOOP
        EXECUTE format('CREATE TRIGGER records_are_append_only BEFORE UPDATE OR DELETE ON %I
                        FOR EACH ROW EXECUTE FUNCTION refuse_record_change()', record_table);
        EXECUTE format('CREATE TRIGGER records_are_not_truncated BEFORE TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION refuse_record_change()', record_table);
    END LOOP;
END $$;
