"""Accounts: bank account numbers for balances."""

from __future__ import annotations

import secrets
from typing import Any

import urllib3
from django.conf import settings
from django.db import IntegrityError

from balances.ground import atomic_with_lock_limit
from balances.models import Account, Balance, Identity
from balances.people import identity_exceptions as refusals

TIMEOUT = 30
"""Seconds that the service of account numbers has to answer, as in the original."""
DIGITS = 12


class NumberServiceFailed(Exception):
    """The service of account numbers gave no readable answer; clients see an internal error."""


def open_account(
    *,
    balance_id: str,
    identity_id: str = "",
    number: str = "",
    bank_name: str = "",
    meta_data: dict[str, Any] | None = None,
) -> Account:
    """Create an account for a balance, with its ledger and currency, and with its identity where it has one.

    Raises ``AccountBalanceNotFound``, ``AccountHolderNotFound``, ``AccountNumberTaken``, ``BalanceLocked`` or
    ``NumberServiceFailed``, with nothing written.
    """
    balance = Balance.objects.filter(balance_id=balance_id).first()
    if balance is None:
        raise refusals.AccountBalanceNotFound(balance_id)
    identity_id = balance.identity_id or identity_id
    if not Identity.objects.filter(identity_id=identity_id).exists():
        raise refusals.AccountHolderNotFound(identity_id)
    if settings.ACCOUNT_NUMBERS_URL:  # before the transaction, so that no lock is held while another server answers
        number, bank_name = _generated(number, bank_name)
    try:
        with atomic_with_lock_limit():
            identity = Identity.objects.locked(identity_id).first()
            if identity is None:
                raise refusals.AccountHolderNotFound(identity_id)
            return Account.objects.create(
                name=identity.display_name,
                number=number,
                bank_name=bank_name,
                currency=balance.currency,
                balance=balance,
                identity=identity,
                ledger_id=balance.ledger_id,
                meta_data=meta_data,
            )
    except IntegrityError as error:
        raise refusals.AccountNumberTaken(number) from error


def find(account_id: str) -> Account:
    """Return an account. Raises ``AccountNotFound``."""
    account = Account.objects.filter(account_id=account_id).first()
    if account is None:
        raise refusals.AccountNotFound(account_id)
    return account


def mocked_number() -> str:
    """Return twelve random digits, the first of them no zero."""
    least = 10 ** (DIGITS - 1)
    return str(least + secrets.randbelow(9 * least))


def _generated(number: str, bank_name: str) -> tuple[str, str]:
    """Return number and bank from the configured service, or the given ones where it does not name both."""
    headers = {"Authorization": settings.ACCOUNT_NUMBERS_AUTHORIZATION, "Content-Type": "application/json"}
    try:
        with urllib3.PoolManager() as pool:
            answer = pool.request("GET", settings.ACCOUNT_NUMBERS_URL, headers=headers, timeout=TIMEOUT, retries=False)
            body = answer.json()
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise NumberServiceFailed(type(error).__name__) from error
    if answer.status != 200 or not isinstance(body, dict):
        raise NumberServiceFailed(f"HTTP {answer.status}")
    match body:
        case {"account_number": str() as new, "bank_name": str() as bank} if new and bank:
            return new, bank
        case _:
            return number, bank_name
