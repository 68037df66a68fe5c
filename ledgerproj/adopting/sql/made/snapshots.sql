-- Purpose: snapshots taken here go into a table of ours; Blnk's own, of which there may be several a day, are only read.
CREATE FUNCTION keep_own_snapshot() RETURNS trigger LANGUAGE plpgsql SET search_path = backoffice, pg_temp AS $$
BEGIN
    INSERT INTO own_snapshots (
        balance_id, ledger_id, balance, credit_balance, debit_balance,
        inflight_balance, inflight_credit_balance, inflight_debit_balance,
        currency, snapshot_time, created_at, last_tx_id, meta_data
    ) VALUES (
        NEW.balance_id, NEW.ledger_id, NEW.balance, NEW.credit_balance, NEW.debit_balance,
        NEW.inflight_balance, NEW.inflight_credit_balance, NEW.inflight_debit_balance,
        NEW.currency, NEW.snapshot_time, NEW.created_at, NEW.last_tx_id, NEW.meta_data
    ) ON CONFLICT (balance_id, ((snapshot_time AT TIME ZONE 'UTC')::date)) DO NOTHING;
    RETURN CASE WHEN FOUND THEN NEW END;
END $$;
CREATE TRIGGER own_snapshots_are_kept INSTEAD OF INSERT ON balance_snapshots
    FOR EACH ROW EXECUTE FUNCTION keep_own_snapshot();
