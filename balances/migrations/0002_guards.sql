-- What the schema editor cannot say: append-only transactions, vacuum settings, no needless indexes.

CREATE FUNCTION refuse_transaction_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    free text[] := ARRAY['meta_data', 'chain_seq', 'chain_prev_hash', 'chain_hash'];
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - free = to_jsonb(NEW) - free THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = '23514',
        CONSTRAINT = 'transactions_are_append_only',
        MESSAGE = format('Transactions are append-only: %s refused%s.', TG_OP,
                         CASE WHEN TG_LEVEL = 'ROW' THEN ' on ' || OLD.transaction_id ELSE '' END),
        HINT = 'Correct by adding a transaction, such as a refund.';
END $$;

CREATE TRIGGER transactions_are_append_only BEFORE UPDATE OR DELETE ON transactions
    FOR EACH ROW EXECUTE FUNCTION refuse_transaction_change();
CREATE TRIGGER transactions_are_not_truncated BEFORE TRUNCATE ON transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_transaction_change();

-- Sums are index-only scans for as long as the visibility map is fresh.
ALTER TABLE transactions SET (
    autovacuum_vacuum_insert_scale_factor = 0.01,
    autovacuum_vacuum_insert_threshold = 10000,
    autovacuum_analyze_scale_factor = 0.02
);
-- Postings update totals, which no index covers: room on the page keeps those updates heap-only.
ALTER TABLE balances SET (fillfactor = 80);

-- Django adds a pattern index to every text key. Our keys collate as "C", so the key's own index serves patterns too.
DO $$
DECLARE
    pattern_index text;
BEGIN
    FOR pattern_index IN
        SELECT indexname FROM pg_indexes
        WHERE schemaname = current_schema()
          AND tablename IN ('ledgers', 'balances', 'transactions') AND indexname LIKE '%\_like'
    LOOP
        EXECUTE format('DROP INDEX %I', pattern_index);
    END LOOP;
END $$;
