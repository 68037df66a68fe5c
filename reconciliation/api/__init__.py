"""The routes of reconciliation."""
