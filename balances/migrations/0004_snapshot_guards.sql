-- What the schema editor cannot say: one snapshot a balance and day (UTC), whose amounts never change.

CREATE UNIQUE INDEX one_snapshot_a_day ON balance_snapshots (balance_id, ((snapshot_time AT TIME ZONE 'UTC')::date));

CREATE FUNCTION refuse_snapshot_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - 'meta_data' = to_jsonb(NEW) - 'meta_data' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = '23514',
        CONSTRAINT = 'snapshots_are_append_only',
        MESSAGE = 'Cannot modify balance snapshot data. Only meta_data field can be updated.';
END $$;

CREATE TRIGGER snapshots_are_append_only BEFORE UPDATE OR DELETE ON balance_snapshots
    FOR EACH ROW EXECUTE FUNCTION refuse_snapshot_change();
CREATE TRIGGER snapshots_are_not_truncated BEFORE TRUNCATE ON balance_snapshots
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_snapshot_change();
