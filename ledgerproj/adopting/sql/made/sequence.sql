-- Purpose: the count of refused changes, which stays at none: the guards that count are on tables of our own alone.
CREATE SEQUENCE refused_transaction_changes;
