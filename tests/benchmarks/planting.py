"""Plants faults in SQL beside postings, and knows which commit each of them is and what it is off by."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.benchmarks.outages import posting
from tests.stoppable import Server

TOTALS = (
    "credit_balance",
    "debit_balance",
    "balance",
    "inflight_credit_balance",
    "inflight_debit_balance",
    "inflight_balance",
)
SIDES = ("credit_balance", "debit_balance", "inflight_credit_balance", "inflight_debit_balance")
NET = {side: side.replace("credit_", "").replace("debit_", "") for side in SIDES}
Amounts = dict[str, int]
"""What a balance is off by, by total."""


@dataclass(frozen=True)
class Fault:
    """One commit that does not add up."""

    name: str
    xid: int
    at: float
    off: dict[str, Amounts]
    """By balance; a fault without an amount is one all the same."""
    settles: bool = False
    """Whether another commit takes it back at once."""


@dataclass
class Planter:
    """Plants one fault after the other on balances of its own choice."""

    server: Server
    url: str
    ids: list[str]
    chance: random.Random
    planted: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kinds: list[Callable[[], None]] = [
            *(lambda side=side: self.edit(side) for side in SIDES),  # type: ignore[misc]
            self.edit_and_take_back,
            self.edit_without_journal,
            self.delete,
            self.delete_hold,
            self.change_amount,
            self.change_destination,
            self.change_reference,
            self.insert,
            self.half,
        ]

    def plant(self) -> None:
        """Plant a fault of a random kind, once more where the server was away."""
        self.chance.choice(self.kinds)()

    def edit(self, side: str) -> None:
        self._edit(f"edit {side}", side, self.chance.randint(1, 10**6))

    def edit_and_take_back(self) -> None:
        side, units, target = self.chance.choice(SIDES), self.chance.randint(1, 10**6), self.chance.choice(self.ids)
        self._edit("half of an edit", side, units, target, settles=True)
        self._edit("its other half", side, -units, target, settles=True)

    def edit_without_journal(self) -> None:
        """Edit a total as an owner does who wants no trace: the mark of a posting silences the journal."""
        mark = "SELECT set_config('ledger.writer', statement_timestamp()::text, true)"
        self._edit("edit without a trace", "credit_balance", self.chance.randint(1, 10**6), before=mark)

    def _edit(
        self, name: str, side: str, units: int, target: str = "", *, settles: bool = False, before: str = ""
    ) -> None:
        target = target or self.chance.choice(self.ids)
        sign = 1 if "credit" in side else -1
        change = f"UPDATE balances SET {side} = {side} + %s, {NET[side]} = {NET[side]} + %s WHERE balance_id = %s"
        xid, at = self._sql(change, units, sign * units, target, before=before)
        self.planted.append(Fault(name, xid, at, {target: {side: units, NET[side]: sign * units}}, settles))

    def delete(self) -> None:
        row = self._posted()
        xid, at = self._sql("DELETE FROM transactions WHERE transaction_id = %s", row["transaction_id"])
        self.planted.append(Fault("deleted row", xid, at, self._moved(row, 1)))

    def delete_hold(self) -> None:
        """Delete a hold of which a part was committed: its commit is a plain movement from then on."""
        row = self._posted(precise_amount=100, inflight=True)
        path = f"/transactions/inflight/{row['transaction_id']}"
        self.server.ask("PUT", path, {"status": "commit", "precise_amount": 30, "skip_queue": True})
        xid, at = self._sql("DELETE FROM transactions WHERE transaction_id = %s", row["transaction_id"])
        off = {
            row["source"]: {"inflight_debit_balance": 70, "inflight_balance": -70},
            row["destination"]: {"inflight_credit_balance": 70, "inflight_balance": 70},
        }
        self.planted.append(Fault("deleted hold", xid, at, off))

    def change_amount(self) -> None:
        row = self._posted()
        more = self.chance.randint(1, 1_000)
        change = "UPDATE transactions SET precise_amount = precise_amount + %s WHERE transaction_id = %s"
        xid, at = self._sql(change, more, row["transaction_id"])
        self.planted.append(Fault("changed amount", xid, at, self._moved(row | {"precise_amount": -more}, 1)))

    def change_destination(self) -> None:
        row = self._posted()
        other = next(each for each in self.ids if each not in (row["source"], row["destination"]))
        xid, at = self._sql(
            "UPDATE transactions SET destination = %s WHERE transaction_id = %s", other, row["transaction_id"]
        )
        units = row["precise_amount"]
        off = {
            row["source"]: {},
            row["destination"]: {"credit_balance": units, "balance": units},
            other: {"credit_balance": -units, "balance": -units},
        }
        self.planted.append(Fault("changed destination", xid, at, off))

    def change_reference(self) -> None:
        row = self._posted()
        change = "UPDATE transactions SET reference = reference || '-x' WHERE transaction_id = %s"
        xid, at = self._sql(change, row["transaction_id"])
        self.planted.append(Fault("changed reference", xid, at, {row["source"]: {}, row["destination"]: {}}))

    def insert(self) -> None:
        """Insert a row without its totals, as half of a transaction leaves it."""
        row = self._row()
        xid, at = self._sql(*INSERT(row))
        self.planted.append(Fault("row without totals", xid, at, self._moved(row, -1)))

    def half(self) -> None:
        """Insert a row with the total of one side alone."""
        row = self._row()
        text, *values = INSERT(row)
        units = row["precise_amount"]
        moved = (
            "UPDATE balances SET credit_balance = credit_balance + %s, balance = balance + %s, version = version + 1 "
            "WHERE balance_id = %s"
        )
        xid, at = self._sql(text, *values, and_then=(moved, units, units, row["destination"]))
        off = self._moved(row, -1)
        self.planted.append(Fault("half a transaction", xid, at, {row["source"]: off[row["source"]]}))

    @staticmethod
    def _moved(row: dict[str, Any], sign: int) -> dict[str, Amounts]:
        units = sign * int(row["precise_amount"])
        return {
            row["source"]: {"debit_balance": units, "balance": -units},
            row["destination"]: {"credit_balance": units, "balance": units},
        }

    def _row(self) -> dict[str, Any]:
        source, destination = self.chance.sample(self.ids, 2)
        key = f"txn_{uuid.uuid4()}"
        units = self.chance.randint(1, 1_000)
        return {"transaction_id": key, "source": source, "destination": destination, "precise_amount": units}

    def _posted(self, **more: Any) -> dict[str, Any]:
        number = self.chance.randint(0, 10**6)
        body = posting(self.ids, number, f"planted-{uuid.uuid4()}") | {"skip_queue": True}
        answer = self.server.ask("POST", "/transactions", body | {"precise_amount": number % 1_000 + 1} | more)
        row: dict[str, Any] = answer.body
        return row

    def _sql(
        self, text: str, *values: Any, before: str = "", and_then: tuple[Any, ...] | None = None
    ) -> tuple[int, float]:
        with psycopg.connect(self.url) as connection:
            connection.execute("SET LOCAL session_replication_role = replica")
            if before:  # in the same statement's time, or it is worth nothing
                connection.execute(f"{before}; {_literal(connection, text, values)}")
            else:
                connection.execute(text, values)
            if and_then:
                connection.execute(and_then[0], and_then[1:])
            row = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
        assert row is not None
        return int(row[0]), time.time()


def _literal(connection: psycopg.Connection[Any], text: str, values: tuple[Any, ...]) -> str:
    return psycopg.ClientCursor(connection).mogrify(text, values)


def INSERT(row: dict[str, Any]) -> tuple[Any, ...]:  # noqa: N802
    """Return the statement that inserts a row, and its values."""
    text = (
        "INSERT INTO transactions (transaction_id, parent_transaction, source, destination, reference, precise_amount, "
        "amount, precision, currency, status, created_at, meta_data) "
        "VALUES (%s, '', %s, %s, %s, %s, %s, 100, 'USD', 'APPLIED', now(), '{}')"
    )
    units = row["precise_amount"]
    return text, row["transaction_id"], row["source"], row["destination"], row["transaction_id"], units, units / 100


def found_of(rows: list[tuple[Any, ...]]) -> dict[int, dict[str, Amounts]]:
    """Return what breaks say, as faults do: by transaction id and balance, amounts that are not zero."""
    found: dict[int, dict[str, Amounts]] = {}
    for xid, balance_id, *amounts in rows:
        off = {total: int(units) for total, units in zip(TOTALS, amounts, strict=True) if units}
        found.setdefault(xid, {})[balance_id] = off
    return found
