"""Requests about everything but movements: ledgers, balances, identities, accounts, monitors, keys, hooks."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.differing.money import FAR, OPERATORS
from tests.benchmarks.differing.mutating import mutated
from tests.benchmarks.differing.world import Request, World

METADATA: list[Any] = [{}, {"a": 1}, {"b": "x", "deep": {"z": [1, 2.5, None, True]}}, None, {"ü": "<&>"}]
FIELDS = ("FirstName", "LastName", "EmailAddress", "firstName", "PhoneNumber", "Street", "Gender", "nope", "Category")
TABLES = {
    "ledgers": ("name", "ledger_id", "created_at", "meta_data.a", "nope"),
    "balances": (
        "balance",
        "credit_balance",
        "indicator",
        "ledger_id",
        "identity_id",
        "created_at",
        "meta_data.a",
        "x",
    ),
    "identities": ("first_name", "last_name", "identity_type", "dob", "email_address", "meta_data.a", "nope"),
    "accounts": ("name", "number", "bank_name", "balance_id", "meta_data.a", "nope"),
}
OWN = {"ledgers": "name", "balances": "currency", "identities": "last_name", "accounts": "currency"}


def _odd(world: World, body: dict[str, Any], tag: str = "", share: float = 0.2) -> tuple[Any, str]:
    if world.chance(share):
        return mutated(world.rng, body), f"{tag}, odd" if tag else "odd"
    return body, tag


def _metadata(world: World, body: dict[str, Any]) -> dict[str, Any]:
    return body | {"meta_data": world.rng.choice(METADATA)} if world.chance(0.5) else body


def create_ledger(world: World) -> Request:
    body, tag = _odd(world, _metadata(world, {"name": world.currency}))
    return Request("POST", "/ledgers", "/ledgers", body, tag, ("ledger", "ledger_id"))


def rename_ledger(world: World) -> Request:
    body, tag = _odd(world, {"name": world.currency})
    return Request("PUT", f"/ledgers/{world.one('ledger')}", "/ledgers/{id}", body, tag)


def read_ledger(world: World) -> Request:
    return Request("GET", f"/ledgers/{world.one('ledger')}", "/ledgers/{id}")


def create_balance(world: World) -> Request:
    given: dict[str, Any] = {"ledger_id": world.one("ledger"), "currency": world.currency}
    if world.chance(0.25):
        given |= {"ledger_id": "general_ledger_id", "indicator": world.rng.choice(["@till", "@shop", "@bad one", "x"])}
    if world.chance(0.3):
        given["identity_id"] = world.one("identity")
    if world.chance(0.08):
        given |= {"allocation_strategy": world.rng.choice(["fifo", "LIFO", "PROPORTIONAL", "x", ""])}
    body, tag = _odd(world, _metadata(world, given))
    return Request("POST", "/balances", "/balances", body, tag, ("balance", "balance_id"))


def read_balance(world: World) -> Request:
    target = world.one("balance")
    query = world.rng.choice(
        ["", "", "", "?include=ledger", "?include=identity", "?include=ledger&include=identity", "?with_queued=true",
         "?include=identity,ledger", "?with_queued=1"]
    )  # fmt: skip
    return Request("GET", f"/balances/{target}{query}", "/balances/{id}", tag=query, looks=True)


def read_indicator(world: World) -> Request:
    indicator = world.rng.choice([*world.indicators, "@none"])
    path = f"/balances/indicator/{indicator}/currency/{world.currency}"
    route = "/balances/indicator/{indicator}/currency/{currency}"
    return Request("GET", path, route, learns=("balance", "balance_id"), looks=True)


def balance_at(world: World) -> Request:
    instant = world.rng.choice([*FAR, "2023-01-01T00:00:00Z", "x", "", "0001-01-01T00:00:00Z", "2035-01-01T00:00:00Z"])
    instant = instant.replace("+", "%2B")
    source = world.rng.choice(["", "&from_source=true", "&from_source=1"])
    path = f"/balances/{world.one('balance')}/at?timestamp={instant}{source}"
    return Request("GET", path, "/balances/{id}/at", tag=f"{instant}{source}", looks=True)


def balance_lineage(world: World) -> Request:
    return Request("GET", f"/balances/{world.one('balance')}/lineage", "/balances/{id}/lineage", looks=True)


def give_identity(world: World) -> Request:
    body, tag = _odd(world, {"identity_id": world.one("identity")})
    return Request("PUT", f"/balances/{world.one('balance')}/identity", "/balances/{id}/identity", body, tag)


def create_identity(world: World) -> Request:
    rng = world.rng
    given: dict[str, Any] = {"first_name": rng.choice(["Ada", "Grace", ""]), "last_name": world.currency}
    given |= {"identity_type": rng.choice(["individual", "organization"]), "email_address": "a@b.example"}
    given |= {"phone_number": "+49 30 1234", "street": "Weg 5", "organization_name": "Works"}
    if world.chance(0.4):
        given["dob"] = rng.choice(["1990-05-01T00:00:00Z", "1990-05-01T23:30:00+02:00"])
    if world.chance(0.1):
        given["identity_id"] = rng.choice(["idt_x", "me", "idt_7b0d5f6e-0000-4000-8000-000000000001"])
    body, tag = _odd(world, _metadata(world, given))
    return Request("POST", "/identities", "/identities", body, tag, ("identity", "identity_id"))


def change_identity(world: World) -> Request:
    given = {"first_name": "Barbara"} if world.chance(0.7) else _metadata(world, {})
    body, tag = _odd(world, given)
    return Request("PUT", f"/identities/{world.one('identity')}", "/identities/{id}", body, tag)


def read_identity(world: World) -> Request:
    target = world.one("identity")
    end = world.rng.choice(["", "", "/tokenized-fields", f"/detokenize/{world.rng.choice(FIELDS)}"])
    route = "/identities/{id}" + end.replace(end.rpartition("/")[2], "{field}" if "detok" in end else end[1:])
    return Request("GET", f"/identities/{target}{end}", route)


def tokenize(world: World) -> Request:
    action = world.rng.choice(["tokenize", "detokenize"])
    target = world.one("identity")
    if action == "tokenize" and world.chance(0.4):
        path = f"/identities/{target}/tokenize/{world.rng.choice(FIELDS)}"
        return Request("POST", path, "/identities/{id}/tokenize/{field}")
    body, tag = _odd(world, {"fields": world.rng.sample(FIELDS[:6], world.rng.randint(0, 3))})
    return Request("POST", f"/identities/{target}/{action}", f"/identities/{{id}}/{action}", body, tag)


def delete_identity(world: World) -> Request:
    return Request("DELETE", f"/identities/{world.one('identity', unknown=0.3)}", "/identities/{id}")


def create_account(world: World) -> Request:
    given: dict[str, Any] = {"balance_id": world.one("balance"), "bank_name": "Bank"}
    if world.chance(0.8):
        given["number"] = f"{world.currency}{world.rng.randint(1, 99)}"
    if world.chance(0.4):
        given["identity_id"] = world.one("identity")
    if world.chance(0.1):
        given |= {"ledger_id": world.one("ledger"), "currency": world.currency}
    body, tag = _odd(world, _metadata(world, given))
    return Request("POST", "/accounts", "/accounts", body, tag, ("account", "account_id"))


def read_account(world: World) -> Request:
    query = world.rng.choice(["", "?include=balance", "?include=identity&include=ledger", "?include=x"])
    path = f"/accounts/{world.one('account')}{query}"
    return Request("GET", path, "/accounts/{id}", tag=query, looks=True)


def create_monitor(world: World) -> Request:
    rng = world.rng
    condition: dict[str, Any] = {"field": rng.choice(["balance", "credit_balance", "inflight_debit_balance", "x"])}
    condition |= {"operator": rng.choice([">", "<", ">=", "<=", "=", "!=", "=="])}
    condition |= {"value": rng.choice([5, 1000, 10**7]), "precision": rng.choice([1, 100])}
    given = {"balance_id": world.one("balance"), "condition": condition}
    if world.chance(0.3):
        given |= {"description": "watch", "call_back_url": "https://example.org"}
    body, tag = _odd(world, given)
    return Request("POST", "/balance-monitors", "/balance-monitors", body, tag, ("monitor", "monitor_id"))


def use_monitor(world: World) -> Request:
    rng = world.rng
    target = world.one("monitor")
    way = rng.random()
    if way < 0.4:
        return Request("GET", f"/balance-monitors/{target}", "/balance-monitors/{id}")
    if way < 0.65:
        path = f"/balance-monitors/balances/{world.one('balance')}"
        return Request("GET", path, "/balance-monitors/balances/{id}")
    if way < 0.75:
        return Request("DELETE", f"/balance-monitors/{target}", "/balance-monitors/{id}")
    condition = {"field": "balance", "operator": ">", "value": rng.choice([7, 700]), "precision": 100}
    given = {"balance_id": world.one("balance", unknown=0), "condition": condition}
    body, tag = _odd(world, given)
    return Request("PUT", f"/balance-monitors/{target}", "/balance-monitors/{id}", body, tag)


def metadata(world: World) -> Request:
    target = world.one("ledger", "balance", "identity", "txn", "hold", "batch", "account", unknown=0.08)
    body, tag = _odd(world, {"meta_data": world.rng.choice(METADATA[:3])})
    kind = target.strip("<>").rstrip("0123456789") if target.startswith("<") else "unknown id"
    return Request("POST", f"/{target}/metadata", "/{id}/metadata", body, f"{kind}, {tag}", looks=True)


def listed(world: World) -> Request:
    """List what the episode has made, by the query of the list or by a filter."""
    rng = world.rng
    table = rng.choice(list(TABLES))
    own = f"{OWN[table]}_eq={world.currency}"
    if world.chance(0.4):
        extra = rng.choice(["", "&limit=100", "&limit=x", "&limit=0", "&offset=-1", "&limit=", "&nope_eq=1", "&page=2",
                            "&created_at_gt=2020-01-01", "&created_at_between=1", "&logical_operator=x"])  # fmt: skip
        return Request("GET", f"/{table}?{own}{extra}", f"/{table}", tag=extra, looks=True)
    field, operator = rng.choice(TABLES[table]), rng.choice(OPERATORS)
    value: Any = rng.choice(["Ada", "x", 5, 1000, world.currency, "2020-01-01T00:00:00Z", "%d%", True, None])
    extra_filter: dict[str, Any] = {"field": field, "operator": operator}
    if operator in ("in", "between"):
        extra_filter["values"] = [value, rng.choice([value, 10**6, "zz"])]
    elif value is not None:
        extra_filter["value"] = value
    given: dict[str, Any] = {"filters": [{"field": OWN[table], "operator": "eq", "value": world.currency}]}
    if world.chance(0.7):
        given["filters"].append(extra_filter)
    given |= rng.choice([{}, {"include_count": True}, {"limit": 100, "sort_order": "asc"}, {"logical_operator": "and"}])
    body, tag = _odd(world, given, f"{field} {operator} {type(value).__name__}" if len(given["filters"]) > 1 else "")
    return Request("POST", f"/{table}/filter", f"/{table}/filter", body, tag, looks=True)


def hooks(world: World) -> Request:
    rng = world.rng
    given: dict[str, Any] = {"name": world.currency, "url": "http://127.0.0.1:9/none", "active": False}
    given |= {"type": rng.choice(["PRE_TRANSACTION", "POST_TRANSACTION", "x"]), "timeout": rng.choice([0, 5, -1])}
    given |= {"retry_count": rng.choice([0, 3, 50, -1])}
    target, way = world.one("hook"), rng.random()
    if way < 0.35:
        body, tag = _odd(world, given)
        return Request("POST", "/hooks", "/hooks", body, tag, ("hook", "id"))
    if way < 0.6:
        return Request("GET", f"/hooks/{target}", "/hooks/{id}")
    if way < 0.8:
        body, tag = _odd(world, given)
        return Request("PUT", f"/hooks/{target}", "/hooks/{id}", body, tag)
    return Request("DELETE", f"/hooks/{target}", "/hooks/{id}")


def api_keys(world: World) -> Request:
    rng = world.rng
    given: dict[str, Any] = {"name": "key", "owner": world.currency, "scopes": ["ledgers:read", "balances:*"]}
    given |= {"expires_at": "2035-01-01T00:00:00Z"}
    way = rng.random()
    if way < 0.4:
        body, tag = _odd(world, given)
        return Request("POST", "/api-keys", "/api-keys", body, tag, ("key", "api_key_id"))
    if way < 0.7:
        return Request("GET", f"/api-keys?owner={world.currency}", "/api-keys")
    path = f"/api-keys/{world.one('key')}?owner={rng.choice([world.currency, world.currency, 'x', ''])}"
    return Request("DELETE", path, "/api-keys/{id}")


PATHS = (
    "/", "/health", "/nope", "/ledgers/", "/balances//", "/transactions/a/b/c", "/LEDGERS", "/x/metadata",
    "/balances-snapshots", "/refund-transaction/", "/identities/x/y", "/ledgers/a/", "/transactions/filter/",
)  # fmt: skip


def elsewhere(world: World) -> Request:
    """Ask for paths and methods that are not there, and the open ones."""
    method = world.rng.choice(["GET", "GET", "POST", "PUT", "DELETE", "PATCH"])
    path = world.rng.choice(PATHS)
    return Request(method, path, path, tag=method)


REQUESTS = [
    (2, create_ledger), (1, rename_ledger), (1, read_ledger), (5, create_balance), (8, read_balance),
    (3, read_indicator), (3, balance_at), (0.7, balance_lineage), (1, give_identity), (3, create_identity),
    (1, change_identity), (3, read_identity), (2.5, tokenize), (0.7, delete_identity), (2, create_account),
    (1.5, read_account), (2, create_monitor), (2.5, use_monitor), (3, metadata), (6, listed), (1.5, hooks),
    (1, api_keys), (1, elsewhere),
]  # fmt: skip
