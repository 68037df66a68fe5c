"""Checks of decoded bodies before anything is looked up, with the contract's messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from balances.api.go import FieldNotTaken, InvalidBody, MalformedBody, parse_time
from balances.books import Action, BulkEmpty, BulkTooLarge, InvalidSettlement, NegativeLimit, NonPositivePart, Part
from balances.ground import FractionOfUnit, amounts, lookalikes, plain
from balances.models import GENERAL_LEDGER_ID
from balances.posting import LARGEST, Posting, Share
from balances.recording import PROVIDER

BLANK = "cannot be blank"
MAX_SIGNIFICANT_DIGITS = 15
MOST_SETTLEMENTS = 100
"""Most holds in one bulk commit or void."""
STRATEGIES = ("FIFO", "LIFO", "PROPORTIONAL")
MAX_BYTES = {"reference": 2000, "currency": 200} | dict.fromkeys(
    ("indicator", "source", "destination", "owner", "last_name", "organization_name", "number", "provider"), 1000
)
"""Longest texts that an index can hold, in bytes of UTF-8."""
MOST_BYTES_EACH = 4
"""Most bytes of a character in UTF-8."""
KEYS = ("reference", "currency", "indicator", "source", "destination")
"""Texts that serve as keys."""
ZERO_TIME = datetime.min.replace(tzinfo=UTC)
TIME_HELP = "please format the scheduled date as 'YYYY-MM-DDTHH:MM:SS+00:00' (e.g., 2024-04-22T15:28:03+00:00)"


def check_ledger(fields: dict[str, Any]) -> None:
    """Raise ``InvalidBody`` for a ledger without a name."""
    if not fields.get("name"):
        raise InvalidBody({"name": BLANK})


def check_balance(fields: dict[str, Any]) -> None:
    """Check a new balance and fill in its defaults. Raises ``InvalidBody``."""
    fields["allocation_strategy"] = fields.get("allocation_strategy", "").strip().upper() or "FIFO"
    fields["indicator"] = fields.get("indicator") or None
    reasons = {name: BLANK for name in ("ledger_id", "currency") if not fields.get(name)}
    reasons |= dict(_look_alike(fields)) | dict(_too_long(fields))
    if fields.get("track_fund_lineage") and not fields.get("identity_id"):
        reasons["identity_id"] = "identity_id is required when track_fund_lineage is enabled"
    if fields["allocation_strategy"] not in STRATEGIES:
        reasons["allocation_strategy"] = f"allocation_strategy must be one of: {', '.join(STRATEGIES)}"
    if fields["indicator"] and fields.get("ledger_id") != GENERAL_LEDGER_ID:
        reasons["indicator"] = (
            f"indicator is only allowed for General Ledger balances (ledger_id = {GENERAL_LEDGER_ID})"
        )
    elif fields["indicator"] and not re.fullmatch(r"@[^\t\n\f\r ]+", fields["indicator"]):
        reasons["indicator"] = "indicator must start with '@' and contain no whitespace (e.g. '@cash')"
    if reasons:
        raise InvalidBody(reasons)


def check_api_key(fields: dict[str, Any]) -> None:
    """Check a new API key. Raises ``MalformedBody`` or ``InvalidBody``."""
    given = {
        "Name": bool(fields.get("name")),
        "Scopes": "scopes" in fields,
        "Owner": bool(fields.get("owner")),
        "ExpiresAt": fields.get("expires_at", ZERO_TIME) != ZERO_TIME,
    }
    if missing := [name for name, there in given.items() if not there]:
        raise MalformedBody("\n".join(required("CreateAPIKeyRequest", name) for name in missing))
    check_lengths(fields)


def check_lengths(fields: dict[str, Any]) -> None:
    """Raise ``InvalidBody`` for a text that is longer than its index can hold."""
    if reasons := dict(_too_long(fields)):
        raise InvalidBody(reasons)


def required(struct: str, field: str) -> str:
    """Return the original's words for a field that its decoder requires."""
    return f"Key: '{struct}.{field}' Error:Field validation for '{field}' failed on the 'required' tag"


def posting_from(fields: dict[str, Any], *, fractions: bool = False) -> Posting:
    """Return the movement that a body requests. Raises ``InvalidBody``.

    With ``fractions`` an amount that is no whole number of minor units passes, to be refused with its item only.
    """
    reasons = {
        name: reason
        for name, reason in (
            ("amount", _amount_reason(fields) or (None if fractions else _units_reason(fields, "amount"))),
            ("precision", _precision_reason(fields)),
            ("overdraft_limit", _limit_reason(fields) or _units_reason(fields, "overdraft_limit")),
            ("source", _side_reason(fields, "source")),
            ("destination", _side_reason(fields, "destination") or _same_side_reason(fields)),
            *_look_alike(fields),
            *((name, None if fields.get(name) else BLANK) for name in ("currency", "description", "reference")),
            *_too_long(fields),
            *((name, _time_reason(fields, name)) for name in TIMES),
        )
        if reason
    }
    if reasons:
        raise InvalidBody(reasons, code="TXN_VALIDATION_ERROR")
    sides: Any = {name: tuple(map(_share, fields.get(name, ()))) for name in ("sources", "destinations")}
    dates: Any = {name: parse_time(fields.get(name)) for name in TIMES}
    return Posting(
        source=fields.get("source", ""),
        destination=fields.get("destination", ""),
        currency=fields["currency"],
        reference=fields["reference"],
        description=fields["description"],
        amount=fields.get("amount"),
        precise_amount=fields.get("precise_amount"),
        precision=_precision(fields),
        allow_overdraft=fields.get("allow_overdraft", False),
        overdraft_limit=fields.get("overdraft_limit", Decimal(0)),
        inflight=fields.get("inflight", False),
        atomic=fields.get("atomic", False),
        effective_date=fields.get("effective_date"),
        meta_data=fields.get("meta_data", {}),
        **sides,
        **dates,
    )


def postings_from(fields: dict[str, Any]) -> list[Posting]:
    """Return the movements of a bulk request.

    Raises ``BulkEmpty``, ``BulkTooLarge`` or ``InvalidBody``.
    """
    postings = []
    goes_on = not (fields.get("skip_queue") or fields.get("atomic"))
    for index, item in enumerate(_listed(fields, "transactions", LARGEST)):
        where = {"index": index}
        if item is None:
            raise InvalidBody(f"transactions[{index}] is required", code="TXN_VALIDATION_ERROR", details=where)
        for name in ("inflight", "dry_run"):
            if item.get(name) and not fields.get(name):
                why = f"{name}: is said for the whole batch, beside transactions, and not in one of them."
                raise InvalidBody(f"transactions[{index}]: {why}", code="TXN_VALIDATION_ERROR", details=where)
        try:
            postings.append(posting_from(item, fractions=goes_on))
        except InvalidBody as error:
            text = f"transactions[{index}]: {error.message}"
            raise InvalidBody(text, code=error.code, details=where) from error
    return postings


def settlement_action(fields: dict[str, Any]) -> Action:
    """Return the action and the part of a hold that a body requests.

    Raises ``InvalidSettlement``, ``NonPositivePart`` or ``FieldNotTaken``.
    """
    action = fields.get("status")
    if action not in ("commit", "void"):
        raise InvalidSettlement
    if fields.get("precise_amount", 1) <= 0:
        raise NonPositivePart
    if action == "void" and (part := next((name for name in ("amount", "precise_amount") if fields.get(name)), None)):
        raise FieldNotTaken(part, " with void, which releases all that remains")
    if action == "void" and fields.get("reference") is not None:
        raise FieldNotTaken("reference", " with void, which cannot be done twice")
    return "commit" if action == "commit" else "void"


def own_reference(fields: dict[str, Any]) -> str:
    """Return the client's own reference of a refund or a commit, empty where it has none. Raises ``InvalidBody``."""
    reasons = dict(_look_alike(fields)) | dict(_too_long(fields))
    if fields.get("reference") == "":
        reasons["reference"] = BLANK
    if reasons:
        raise InvalidBody(reasons, code="TXN_VALIDATION_ERROR")
    reference: str = fields.get("reference", "")
    return reference


def refund_part(fields: dict[str, Any]) -> Part:
    """Return the part of a payment that a body asks to refund. Raises ``NonPositivePart``."""
    for name in ("amount", "precise_amount"):
        if fields.get(name, 1) <= 0:
            raise NonPositivePart(name)
    return Part(amount=fields.get("amount"), precise_amount=fields.get("precise_amount"))


def commit_items(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the items of a bulk commit.

    Raises ``BulkEmpty``, ``BulkTooLarge`` or ``InvalidBody``.
    """
    items = [{"transaction_id": ""} | item for item in _listed(fields, "transactions", MOST_SETTLEMENTS)]
    for index, item in enumerate(items):
        try:
            own_reference(item)
        except InvalidBody as error:
            text = f"transactions[{index}]: {error.message}"
            raise InvalidBody(text, code=error.code, details={"index": index}) from error
    return items


def void_ids(fields: dict[str, Any]) -> list[str]:
    """Return the ids of a bulk void. Raises ``BulkEmpty`` or ``BulkTooLarge``."""
    return _listed(fields, "transaction_ids", MOST_SETTLEMENTS)


def _listed(fields: dict[str, Any], name: str, most: int) -> list[Any]:
    items: list[Any] = fields.get(name, [])
    if not items:
        raise BulkEmpty(name)
    if len(items) > most:
        raise BulkTooLarge(name, most)
    return items


def _share(entry: dict[str, str]) -> Share:
    return Share(**{name: entry.get(name) or "" for name in ("identifier", "distribution", "precise_distribution")})


def _too_long(fields: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in MAX_BYTES:
        if (text := fields.get(name)) and (why := _length_problem(text, name)):
            yield name, why
    for side in ("source", "destination"):
        listed = fields.get(f"{side}s", ())
        if len(listed) > LARGEST:
            yield f"{side}s", f"cannot be more than {LARGEST}"
        elif any(len((entry.get("identifier") or "").encode()) > MAX_BYTES[side] for entry in listed):
            yield f"{side}s", f"an identifier cannot be longer than {MAX_BYTES[side]} bytes"


def _length_problem(text: str, name: str) -> str | None:
    limit = MAX_BYTES[name]
    too_long = len(text) * MOST_BYTES_EACH > limit and len(text.encode()) > limit
    return f"cannot be longer than {limit} bytes" if too_long else None


def _look_alike(fields: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return the problems of keys with invisible characters, or of keys that are too long."""
    provider = fields.get("meta_data", {}).get(PROVIDER)
    if isinstance(provider, str) and (why := lookalikes.problem(provider) or _length_problem(provider, "provider")):
        yield "meta_data", f"{PROVIDER} {why}"
    for name in KEYS:
        if (text := fields.get(name)) and (why := lookalikes.problem(text)):
            yield name, why
    for side in ("sources", "destinations"):
        for entry in fields.get(side, ()):
            if why := lookalikes.problem(entry.get("identifier") or ""):
                yield side, f"an identifier {why}"


TIMES = ("scheduled_for", "inflight_expiry_date", "inflight_commit_date")


def _amount_reason(fields: dict[str, Any]) -> str | None:
    amount, precise = fields.get("amount", Decimal(0)), fields.get("precise_amount")
    if amount and precise is not None:
        return "either amount or precise_amount should be provided, not both"
    if not amount and precise is None:
        return "either amount or precise_amount is required"
    if amount and len(plain(abs(amount)).replace(".", "").lstrip("0")) > MAX_SIGNIFICANT_DIGITS:
        return "amount has more than 15 significant digits which may cause rounding errors; use precise_amount instead"
    if amount < 0:
        return "amount cannot be negative"
    if precise is not None and precise < 0:
        return "precise_amount cannot be negative"
    return None


def _precision_reason(fields: dict[str, Any]) -> str | None:
    precision = fields.get("precision", Decimal(0))
    if precision != precision.to_integral_value():
        return "precision must be an integer value"
    if precision < 0:
        return "precision cannot be negative"
    return "precision is too large" if precision >= 2**63 else None


def _limit_reason(fields: dict[str, Any]) -> str | None:
    return NegativeLimit().message if fields.get("overdraft_limit", 0) < 0 else None


def _precision(fields: dict[str, Any]) -> int:
    return int(fields.get("precision", 0)) or 1


def _units_reason(fields: dict[str, Any], name: str) -> str | None:
    """Return why major units are no whole number of minor units, where the precision is known."""
    given = fields.get(name)
    if not given or _precision_reason(fields):
        return None
    try:
        amounts.whole_units(given, _precision(fields))
    except FractionOfUnit as error:
        return error.message
    return None


def _side_reason(fields: dict[str, Any], side: str) -> str | None:
    if bool(fields.get(side)) == bool(fields.get(f"{side}s")):
        return f"either {side} or {side}s is required, not both"
    return None


def _same_side_reason(fields: dict[str, Any]) -> str | None:
    if _names(fields, "source") & _names(fields, "destination"):
        return "source and destination cannot be the same balance"
    return None


def _names(fields: dict[str, Any], side: str) -> set[str]:
    listed = {entry.get("identifier") for entry in fields.get(f"{side}s", ())}
    return {name for name in (fields.get(side), *listed) if name}


def _time_reason(fields: dict[str, Any], name: str) -> str | None:
    return TIME_HELP if fields.get(name) and parse_time(fields[name]) is None else None
