"""Staff with exactly the permissions that a test gives them."""

from __future__ import annotations

import itertools

from django.contrib.auth.models import Permission, User
from django.test import Client

_numbers = itertools.count(1)
CASES = (
    "view_sweep",
    "view_finding",
    "view_incident",
    "view_plan",
    "view_step",
    "view_refusal",
    "view_seal",
    "view_balanceedit",
    "view_transactionedit",
    "view_balancesnapshot",
)
"""What lets somebody look at sweeps, plans and the evidence."""
VIEW = ("view_ledger", "view_balance", "view_transaction", "view_reconstruction")


def person(*codenames: str) -> User:
    user = User.objects.create_user(f"person-{next(_numbers)}", password="a long password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def signed_in(*codenames: str) -> Client:
    client = Client()
    client.force_login(person(*codenames))
    return client
