-- Purpose: keys in findings are compared in the order of Blnk's keys, since a sweep takes balances in that order.
ALTER TABLE reconciliation_finding ALTER COLUMN balance_id TYPE text COLLATE "default";
