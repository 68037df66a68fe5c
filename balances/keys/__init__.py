"""API keys: issued, checked, and what each allows."""

from balances.keys import keyring, permissions
from balances.keys.keyring import folded, is_same_person, person
from balances.keys.permissions import ACTIONS, APPROVE, RESOURCES
