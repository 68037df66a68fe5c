"""Whom the SDKs' tests are about, made through the SDK alone, with names that no other test uses."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.clients.sdks import Client

only_python = pytest.mark.parametrize("connect", ["python"], indirect=True)
"""Marks what version 1.3.0 of the TypeScript SDK has no method or option for."""


def name(kind: str = "ref") -> str:
    return f"{kind}-{uuid.uuid4()}"


def done(answer: Any, status: int = 201) -> Any:
    """Return the data of an answer that must have this status."""
    assert answer.status == status, answer
    return answer.data


def ledger(blnk: Client) -> str:
    return str(done(blnk.ledgers.create({"name": name("Wallets")}))["ledger_id"])


def balance(blnk: Client, **fields: Any) -> str:
    given = {"ledger_id": fields.pop("ledger_id", None) or ledger(blnk), "currency": "USD"}
    return str(done(blnk.ledger_balances.create(given | fields))["balance_id"])


def posting(source: Any = None, destination: Any = None, amount: Any = None, **fields: Any) -> dict[str, Any]:
    """Return a body of transactions at two decimals, of the fields that are given."""
    body = {
        "amount": amount,
        "precision": 100,
        "currency": "USD",
        "reference": name(),
        "description": "from an SDK",
        "source": source,
        "destination": destination,
    } | fields
    return {key: value for key, value in body.items() if value is not None}


def funded(blnk: Client, amount: Any = 100, **fields: Any) -> str:
    """Return a balance to which the world gave this amount."""
    made = balance(blnk, **fields)
    done(blnk.transactions.create(posting("@world", made, amount, allow_overdraft=True, skip_queue=True)))
    return made


def hold(blnk: Client, source: str, destination: str, amount: Any, **fields: Any) -> str:
    body = posting(source, destination, amount, inflight=True, skip_queue=True, **fields)
    return str(done(blnk.transactions.create(body))["transaction_id"])


def totals(blnk: Client, *balances: str) -> list[tuple[int, int, int, int]]:
    """Return debit, credit, inflight debit and inflight credit of each, in minor units."""
    names = ("debit_balance", "credit_balance", "inflight_debit_balance", "inflight_credit_balance")
    read = [done(blnk.ledger_balances.get(each), 200) for each in balances]
    return [(row[names[0]], row[names[1]], row[names[2]], row[names[3]]) for row in read]


def rows(blnk: Client, field: str, value: str, operator: str = "eq") -> list[dict[str, Any]]:
    """Return transactions found by a filter, in order of their references."""
    found = blnk.search.filter({"filters": [{"field": field, "operator": operator, "value": value}]}, "transactions")
    return sorted(done(found, 200), key=lambda row: str(row["reference"]))


def of_reference(blnk: Client, reference: str) -> list[tuple[str, str, str, int]]:
    """Return the rows of a request: reference without the request's own, status, parent, minor units."""
    return [
        (row["reference"].removeprefix(reference), row["status"], row["parent_transaction"], row["precise_amount"])
        for row in rows(blnk, "reference", f"{reference}%", "like")
    ]
