"""The pages of reconciliation in the admin."""

from reconciliation.backoffice import (
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
    watching,
)
