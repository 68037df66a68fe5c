-- Purpose: by DuckDB, take in the legs of a month. Parameters: file, as copy_legs.sql writes it.
-- Which range a leg is in follows from its balance alone: the first hexadecimal digit of its MD5.
CREATE TEMP TABLE month_legs AS
SELECT balance, side, kind, applied, inflight, currency, instant, transaction_id, unhex(reference) AS reference,
       left(md5(balance), 1) AS hash_range
FROM read_csv(
    $file, header => false, auto_detect => false, delim => ',', quote => '"', escape => '"', nullstr => '',
    allow_quoted_nulls => false,
    columns => {
        'balance': 'VARCHAR', 'side': 'VARCHAR', 'kind': 'VARCHAR', 'applied': 'DECIMAL(38, 0)',
        'inflight': 'DECIMAL(38, 0)', 'currency': 'VARCHAR', 'instant': 'TIMESTAMP', 'transaction_id': 'VARCHAR',
        'reference': 'VARCHAR'
    }
)
