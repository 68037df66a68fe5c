"""The pages of reconciliation in the admin."""

from reconciliation.backoffice import balances, disclosures, evidence, findings, plans, proof, records, sweeps, watching
