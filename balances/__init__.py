"""Ledgers, balances and transactions: their rows, the rules of posting, the REST API and the admin."""
