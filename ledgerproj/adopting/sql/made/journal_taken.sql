-- Purpose: how far Blnk's own journal of transactions has been read.
CREATE TABLE journal_taken (is_one boolean PRIMARY KEY DEFAULT true CHECK (is_one), last bigint NOT NULL DEFAULT 0);
INSERT INTO journal_taken DEFAULT VALUES;
