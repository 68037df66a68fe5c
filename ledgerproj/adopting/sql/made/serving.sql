-- Purpose: rows that are posted here are written as Blnk writes its own, which has no NULL where it reads a value.
-- Parameters: transactions (the name of Blnk's table, put in by the caller).
-- What waits in our queue is dated by its creation: Blnk applies together what waits and has no date, and would take
-- our rows with its own. The view shows no such date.
CREATE FUNCTION write_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {transactions} (
        transaction_id, parent_transaction, source, destination, reference, amount, precise_amount, precision,
        currency, description, status, hash, created_at, effective_date, scheduled_for, meta_data
    ) VALUES (
        NEW.transaction_id, coalesce(NEW.parent_transaction, ''), NEW.source, NEW.destination, NEW.reference, NEW.amount,
        NEW.precise_amount, NEW.precision, NEW.currency, coalesce(NEW.description, ''), NEW.status,
        coalesce(NEW.hash, ''), NEW.created_at, NEW.effective_date,
        coalesce(NEW.scheduled_for, CASE WHEN NEW.status = 'QUEUED' THEN NEW.created_at ELSE '0001-01-01' END),
        NEW.meta_data
    );
    RETURN NEW;
END $$;
CREATE TRIGGER rows_are_written_as_theirs INSTEAD OF INSERT ON transactions
    FOR EACH ROW EXECUTE FUNCTION write_transaction();
