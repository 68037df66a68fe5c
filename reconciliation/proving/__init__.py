"""Live proof: every commit proved as it lands, from PostgreSQL's write-ahead log (docs/live-proof.md)."""

from reconciliation.proving.standing import Light, Standing, drifting_balances, standing
