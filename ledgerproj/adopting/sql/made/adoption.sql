-- Purpose: one row that says what was adopted and how far we may go; each connection reads it first.
CREATE TABLE adoption (
    is_one boolean PRIMARY KEY DEFAULT true CHECK (is_one),
    schema text NOT NULL,
    generation text NOT NULL,
    mode text NOT NULL,
    has_rates boolean NOT NULL,
    silent_until timestamptz,
    rates_gone_at timestamptz,
    adopted_by text NOT NULL,
    adopted_at timestamptz NOT NULL DEFAULT now()
);
