"""The pages of reconciliation in the admin."""

from reconciliation.backoffice import (
    archives,
    auditing,
    balances,
    disclosures,
    evidence,
    findings,
    ledgers,
    plans,
    proof,
    records,
    saved_views,
    sweeps,
    transactions,
    watching,
    work,
)
