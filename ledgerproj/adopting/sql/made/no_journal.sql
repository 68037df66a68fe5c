-- Purpose: stands for Blnk's own journal of transactions where there is none.
CREATE TABLE transaction_journal (
    id bigint, transaction_id text, action_type text, client_addr inet, backend_pid integer, "timestamp" timestamp,
    old_data jsonb, new_data jsonb, succeeded boolean
);
