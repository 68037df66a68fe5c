"""Reconstruction of balances from their transactions, and the record of every run."""
