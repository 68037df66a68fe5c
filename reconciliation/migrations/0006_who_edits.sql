-- An entry of the edit journal says by itself who wrote it: the database knows, its triggers need not repeat it.
-- The login, not the role: a trigger that runs with its owner's rights would only name the owner.
DO $$
DECLARE
    journal text;
BEGIN
    FOREACH journal IN ARRAY ARRAY['reconciliation_balanceedit', 'reconciliation_transactionedit'] LOOP
        EXECUTE format('ALTER TABLE %I
                            ALTER COLUMN database_user SET DEFAULT session_user,
                            ALTER COLUMN client_address SET DEFAULT host(inet_client_addr()),
                            ALTER COLUMN application_name SET DEFAULT current_setting(''application_name''),
                            ALTER COLUMN backend_pid SET DEFAULT pg_backend_pid()', journal);
    END LOOP;
END $$;
