-- The edit journal: what changed totals or transactions by another way than posting and restating.
--
-- Those two mark themselves for one statement: their UPDATE sets ledger.writer to its own statement_timestamp(). The
-- mark of an earlier statement of the same transaction is therefore worth nothing, and for a posting the triggers end
-- with their WHEN. The journal is evidence against accidents: somebody with SQL who wants to hide an edit can set the
-- mark, and the owner of the tables can disable the triggers, which no trigger sees.
--
-- ENABLE ALWAYS, so that session_replication_role does not silence them. A database that takes in postings by logical
-- replication disables them, or each posting would look like an edit.

CREATE FUNCTION six_totals(b balances) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object(
        'credit_balance', b.credit_balance, 'debit_balance', b.debit_balance, 'balance', b.balance,
        'inflight_credit_balance', b.inflight_credit_balance, 'inflight_debit_balance', b.inflight_debit_balance,
        'inflight_balance', b.inflight_balance
    )
$$;

CREATE FUNCTION journal_moved_totals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF six_totals(OLD) <> six_totals(NEW) THEN
        INSERT INTO reconciliation_balanceedit (balance_id, operation, old, new)
        VALUES (OLD.balance_id, TG_OP, six_totals(OLD), six_totals(NEW));
    END IF;
    RETURN NULL;
END $$;
-- PostgreSQL reads the text of WHEN anew for each statement: comparing the totals there would cost postings more.
CREATE TRIGGER moved_totals_are_journaled AFTER UPDATE ON balances
    FOR EACH ROW WHEN (current_setting('ledger.writer', true) IS DISTINCT FROM statement_timestamp()::text)
    EXECUTE FUNCTION journal_moved_totals();

-- Balances that are born or go with totals: set-wise, one statement for all rows of a COPY.
CREATE FUNCTION journal_whole_rows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO reconciliation_balanceedit (balance_id, operation, old, new)
    SELECT b.balance_id, TG_OP, CASE TG_OP WHEN 'DELETE' THEN six_totals(b) END,
           CASE TG_OP WHEN 'INSERT' THEN six_totals(b) END
    FROM touched AS b
    WHERE (b.credit_balance, b.debit_balance, b.balance,
           b.inflight_credit_balance, b.inflight_debit_balance, b.inflight_balance) IS DISTINCT FROM (0, 0, 0, 0, 0, 0);
    RETURN NULL;
END $$;
CREATE TRIGGER born_totals_are_journaled AFTER INSERT ON balances REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT WHEN (current_setting('ledger.writer', true) IS DISTINCT FROM statement_timestamp()::text)
    EXECUTE FUNCTION journal_whole_rows();
CREATE TRIGGER deleted_totals_are_journaled AFTER DELETE ON balances REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT WHEN (current_setting('ledger.writer', true) IS DISTINCT FROM statement_timestamp()::text)
    EXECUTE FUNCTION journal_whole_rows();

-- A change of a transaction that got past the guard, as under session_replication_role = replica.
CREATE FUNCTION journal_forced_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO reconciliation_transactionedit (transaction_id, source, destination, operation, old, new)
    VALUES (OLD.transaction_id, OLD.source, OLD.destination, TG_OP, to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL;
END $$;
CREATE TRIGGER forced_updates_are_journaled AFTER UPDATE ON transactions
    FOR EACH ROW WHEN (
        to_jsonb(OLD) - ARRAY['meta_data', 'chain_seq', 'chain_prev_hash', 'chain_hash']
        IS DISTINCT FROM
        to_jsonb(NEW) - ARRAY['meta_data', 'chain_seq', 'chain_prev_hash', 'chain_hash']
    )
    EXECUTE FUNCTION journal_forced_change();
CREATE TRIGGER forced_deletes_are_journaled AFTER DELETE ON transactions
    FOR EACH ROW EXECUTE FUNCTION journal_forced_change();

-- TRUNCATE of either table reaches the transactions, whose guard refuses it; forced, it deletes row by row.
CREATE FUNCTION journal_truncation() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_TABLE_NAME = 'transactions' THEN
        INSERT INTO reconciliation_transactionedit (transaction_id, source, destination, operation, old)
        SELECT t.transaction_id, t.source, t.destination, 'DELETE', to_jsonb(t) FROM transactions AS t;
    ELSE
        INSERT INTO reconciliation_balanceedit (balance_id, operation, old)
        SELECT b.balance_id, 'DELETE', six_totals(b) FROM balances AS b
        WHERE (b.credit_balance, b.debit_balance, b.balance,
               b.inflight_credit_balance, b.inflight_debit_balance, b.inflight_balance) IS DISTINCT FROM (0, 0, 0, 0, 0, 0);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER truncated_totals_are_journaled BEFORE TRUNCATE ON balances
    FOR EACH STATEMENT EXECUTE FUNCTION journal_truncation();
CREATE TRIGGER truncation_is_journaled BEFORE TRUNCATE ON transactions
    FOR EACH STATEMENT EXECUTE FUNCTION journal_truncation();

ALTER TABLE balances ENABLE ALWAYS TRIGGER moved_totals_are_journaled;
ALTER TABLE balances ENABLE ALWAYS TRIGGER born_totals_are_journaled;
ALTER TABLE balances ENABLE ALWAYS TRIGGER deleted_totals_are_journaled;
ALTER TABLE balances ENABLE ALWAYS TRIGGER truncated_totals_are_journaled;
ALTER TABLE transactions ENABLE ALWAYS TRIGGER forced_updates_are_journaled;
ALTER TABLE transactions ENABLE ALWAYS TRIGGER forced_deletes_are_journaled;
ALTER TABLE transactions ENABLE ALWAYS TRIGGER truncation_is_journaled;

-- A refusal rolls back whatever the refusing trigger could write, but not a sequence: it counts them. Set, not only
-- drawn, and one at a time: what is drawn is up to 32 ahead after a crash, and a count must not invent refusals.
CREATE SEQUENCE refused_transaction_changes;

CREATE OR REPLACE FUNCTION refuse_transaction_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    free text[] := ARRAY['meta_data', 'chain_seq', 'chain_prev_hash', 'chain_hash'];
    refusal text := format('Transactions are append-only: %s refused', TG_OP);
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - free = to_jsonb(NEW) - free THEN
        RETURN NEW;
    END IF;
    IF TG_LEVEL = 'ROW' THEN
        refusal := refusal || ' on ' || OLD.transaction_id;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('refused_transaction_changes', 0));
    PERFORM setval('refused_transaction_changes', nextval('refused_transaction_changes'));
    RAISE LOG '% to user % from % by "%", process %', refusal, session_user,
        coalesce(host(inet_client_addr()), 'this machine'), current_setting('application_name'), pg_backend_pid();
    RAISE EXCEPTION USING
        ERRCODE = '23514',
        CONSTRAINT = 'transactions_are_append_only',
        MESSAGE = refusal || '.',
        HINT = 'Correct by adding a transaction, such as a refund.';
END $$;

-- Whoever may change a total leaves an entry, without rights on the journal, and in no table of the same name.
DO $$
DECLARE
    trigger_function text;
BEGIN
    FOREACH trigger_function IN ARRAY ARRAY[
        'journal_moved_totals', 'journal_whole_rows', 'journal_forced_change', 'journal_truncation',
        'refuse_transaction_change'
    ] LOOP
        EXECUTE format('ALTER FUNCTION %I() SET search_path = %s, pg_temp',
                       trigger_function, current_setting('search_path'));
    END LOOP;
END $$;
