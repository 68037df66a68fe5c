"""Identities, accounts, and the tokens that replace personal data."""

from balances.people import accounts, identities, identity_exceptions, tokenizing
from balances.people.identity_exceptions import NoFieldsNamed
from balances.people.tokenizing import FIELDS
from balances.people.tokens import shown
