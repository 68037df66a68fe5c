"""Requests that move money, or ask about it."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.differing.mutating import mutated
from tests.benchmarks.differing.world import Request, World

FAR = ("2019-05-01T10:00:00Z", "2022-02-03T04:05:06.5Z", "2031-01-01T00:00:00Z", "2024-02-29T23:59:59+02:00")
LATER = "2033-01-01T00:00:00Z"
FILTERS = (
    "status", "reference", "amount", "currency", "description", "created_at", "effective_date", "indicator",
    "precision", "meta_data.k", "nope",
)  # fmt: skip
ID_FILTERS = ("source", "destination", "balance_id", "parent_transaction")
OPERATORS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "between", "like", "ilike", "isnull", "isnotnull", "neq")


def _side(world: World, *, pays: bool) -> tuple[str, bool]:
    """Return a balance, and whether it may go below zero without asking."""
    way = world.rng.random()
    if way < 0.5:
        return world.one("balance", unknown=0.03), False
    if way < 0.95:
        return world.rng.choice(world.indicators), pays
    world.indicators.append(f"@new{len(world.indicators)}")
    return world.indicators[-1], pays


def _amount(world: World, body: dict[str, Any]) -> None:
    rng = world.rng
    precision = rng.choice([100, 100, 100, 100, 100, 1, 1000, 10**8, None])
    if precision is not None:
        body["precision"] = precision
    units = rng.randint(1, 5000) if world.chance(0.95) else rng.choice([1, 10**12, 10**21 + 7, 2**63])
    if world.chance(0.7):
        body["precise_amount"] = units
    elif not precision or precision == 1:
        body["amount"] = units % 10**9 + 1
    else:
        body["amount"] = rng.randint(1, 5000) / 100


def _shares(world: World, count: int) -> list[dict[str, str]]:
    """Return shares without ties, whose rounding would be a matter of chance in the original."""
    forms = [
        [{"distribution": "60%"}, {"distribution": "left"}],
        [{"distribution": "20%"}, {"distribution": "left"}, {"distribution": "10%"}],
        [{"precise_distribution": "1"}, {"distribution": "left"}],
        [{"distribution": "0.5%"}, {"distribution": "99.5%"}],
        [{"distribution": "70%"}, {"distribution": "50%"}],
        [{"distribution": "left"}],
        [{"distribution": "x"}, {"distribution": "left"}],
    ]
    weights = [8, 4, 2, 1, 1, 2, 1]
    names = world.rng.sample([*world.pools["balance"], *world.indicators], count)
    form = world.rng.choices(forms, weights)[0]
    return [{"identifier": name} | share for name, share in zip(names, form, strict=False)]


def posting(world: World, *, split: float = 0.12) -> dict[str, Any]:
    """Return what POST /transactions takes."""
    rng = world.rng
    source, free = _side(world, pays=True)
    destination, _ = _side(world, pays=False)
    body: dict[str, Any] = {"currency": world.currency, "reference": world.reference(), "description": "differential"}
    body |= {"source": source, "destination": destination}
    _amount(world, body)
    if free or world.chance(0.25):
        body["allow_overdraft"] = True
    if world.chance(split):
        side = rng.choice(["source", "destination"])
        del body[side]
        body[f"{side}s"] = _shares(world, 3)
        body["allow_overdraft"] = True
    for share, extra in (
        (0.05, {"overdraft_limit": rng.choice([1, 50, 10**6])}),
        (0.2, {"inflight": True}),
        (0.12, {"effective_date": rng.choice(FAR)}),
        (0.03, {"scheduled_for": LATER}),
        (0.04, {"inflight_expiry_date": LATER}),
        (0.03, {"inflight_commit_date": LATER}),
        (0.25, {"meta_data": rng.choice([{}, {"k": 1}, {"k": "v", "n": {"a": [1, 2.5, None]}}])}),
        (0.1, {"atomic": True}),
        (0.65, {"skip_queue": True}),
    ):
        if world.chance(share):
            body |= extra
    return body


def create(world: World) -> Request:
    body: Any = posting(world)
    tag = "dry run" if world.chance(0.15) else "at once" if body.get("skip_queue") else "queued"
    if tag == "dry run":
        body["dry_run"] = True
    kind = "hold" if body.get("inflight") else "txn"
    if "source" not in body or "destination" not in body:
        tag, kind = f"{tag}, split", "split"
    if world.chance(0.12):
        body, tag = mutated(world.rng, body), f"{tag}, odd"
    request = Request("POST", "/transactions", "/transactions", body, tag, (kind, "transaction_id"), moves=True)
    request.queued = request.looks = True  # unless its body says otherwise, whatever became of it
    return request


def bulk(world: World) -> Request:
    rng = world.rng
    items: list[Any] = [posting(world, split=0.08) for _ in range(rng.randint(1, 5))]
    options = {name: True for name in ("skip_queue", "inflight", "atomic", "dry_run") if world.chance(0.35)}
    if not options.get("inflight"):
        for item in items:
            item.pop("inflight", None)
    if world.chance(0.1):
        options["run_async"] = True
    body: Any = {"transactions": items} | options
    tag = ", ".join(options) or "queued"
    if world.chance(0.12):
        body, tag = mutated(rng, body), f"{tag}, odd"
    learns = ("batch", "batch_id")
    return Request(
        "POST", "/transactions/bulk", "/transactions/bulk", body, tag, learns, queued=True, looks=True, moves=True
    )


def settle(world: World) -> Request:
    rng = world.rng
    target = world.one("hold", "hold", "batch", "split", "txn")
    body: Any = {"status": rng.choice(["commit", "commit", "void"])}
    if body["status"] == "commit" and world.chance(0.5):
        body |= rng.choice([{"precise_amount": rng.randint(1, 800)}, {"amount": rng.randint(1, 800)}, {"amount": 0}])
    body |= {name: True for name, share in (("skip_queue", 0.7), ("dry_run", 0.15)) if world.chance(share)}
    tag = _way(body)
    if world.chance(0.1):
        body, tag = mutated(rng, body), f"{tag}, odd"
    path = f"/transactions/inflight/{target}"
    return Request(
        "PUT", path, "/transactions/inflight/{id}", body, f"{_kind(target)}, {tag}", queued=True, looks=True, moves=True
    )


def _kind(target: str) -> str:
    """Return what a name stands for."""
    return target.strip("<>").rstrip("0123456789") if target.startswith("<") else "unknown id"


def _way(body: dict[str, Any]) -> str:
    return "dry run" if body.get("dry_run") else "at once" if body.get("skip_queue") else "queued"


def settle_many(world: World) -> Request:
    rng = world.rng
    targets = [world.one("hold", "hold", "txn") for _ in range(rng.randint(1, 3))]
    targets = list(dict.fromkeys(targets)) if world.chance(0.9) else targets
    action = rng.choice(["commit", "void"])
    if action == "void":
        body: Any = {"transaction_ids": targets}
    else:
        body = {"transactions": [{"transaction_id": each} for each in targets]}
        if world.chance(0.4):
            body["transactions"][0]["precise_amount"] = rng.randint(1, 500)
    body |= {name: True for name, share in (("skip_queue", 0.6), ("dry_run", 0.15)) if world.chance(share)}
    tag = f"{action}, {_way(body)}"
    if world.chance(0.12):
        body, tag = mutated(rng, body), f"{tag}, odd"
    path = f"/transactions/inflight/bulk/{action}"
    return Request("POST", path, path, body, tag, queued=True, looks=True, moves=True)


def refund(world: World) -> Request:
    target = world.one("txn", "txn", "hold", "batch", "split")
    body: Any = {name: True for name, share in (("skip_queue", 0.7), ("dry_run", 0.15)) if world.chance(share)}
    tag = f"{_kind(target)}, {_way(body)}"
    if world.chance(0.2):
        body |= {"description": "back", "meta_data": {"why": "x"}}
    if world.chance(0.1):
        body, tag = mutated(world.rng, body or {"skip_queue": True}), f"{tag}, odd"
    path = f"/refund-transaction/{target}"
    request = Request("POST", path, "/refund-transaction/{id}", body, tag, queued=True, looks=True, moves=True)
    if _kind(target) not in ("split", "batch"):  # which of their rows is answered is a matter of chance in the original
        request.learns = ("txn", "transaction_id")
    return request


def read(world: World) -> Request:
    target = world.one("txn", "hold", "split", "batch")
    lineage = world.chance(0.15)
    path, route = f"/transactions/{target}", "/transactions/{id}"
    if lineage:
        path, route = f"{path}/lineage", f"{route}/lineage"
    return Request("GET", path, route, tag=_kind(target), looks=True)


def read_reference(world: World) -> Request:
    reference = world.rng.choice(world.references or ["none"]) + world.rng.choice(["", "", "_q", "_q", "x"])
    path, route = f"/transactions/reference/{reference}", "/transactions/reference/{reference}"
    tag = "outcome" if reference.endswith("_q") else ""
    return Request("GET", path, route, tag=tag, learns=("txn", "transaction_id"), looks=True)


def listed(world: World) -> Request:
    """List the rows of the episode."""
    rng = world.rng
    query = f"currency_eq={world.currency}&limit=500"
    if world.chance(0.5):
        query += "&" + rng.choice(
            ["status_eq=APPLIED", "status_in=APPLIED,VOID", "status_ne=QUEUED", "amount_gte=5", "amount_between=1|20",
             "description_ilike=DIFF%25", "meta_data.k_eq=1", "meta_data.k_isnull=1", "indicator_eq=@shop",
             "effective_date_lt=2023-01-01", "logical_operator=or&reference_eq=none", "nope_eq=1", "amount_between=1",
             "logical_operator=xor", "parent_transaction_eq=", "status_like=%25LIE%25", "precision_eq=100"]
        )  # fmt: skip
    return Request("GET", f"/transactions?{query}", "/transactions", tag=query.rpartition("&")[2], looks=True)


def filtered(world: World) -> Request:
    """Filter the rows of the episode."""
    rng = world.rng
    own = {"field": "currency", "operator": "eq", "value": world.currency}
    field, operator = rng.choice(FILTERS), rng.choice(OPERATORS)
    if world.chance(0.25):  # ids have no order in common
        field, operator = rng.choice(ID_FILTERS), rng.choice(["eq", "ne", "in", "isnull", "isnotnull", "between"])
    extra: dict[str, Any] = {"field": field, "operator": operator}
    value: Any = rng.choice(["APPLIED", 100, 5.5, "2023-01-01T00:00:00Z", "@shop", world.one("balance"), "%a%", None])
    if operator in ("in", "between"):
        extra["values"] = [value, rng.choice(["VOID", 1000, value])]
    elif value is not None:
        extra["value"] = value
    body: Any = {"filters": [own, extra], "limit": 100}
    for share, more in ((0.2, {"include_count": True}), (0.2, {"sort_by": "amount"}), (0.1, {"sort_order": "asc"})):
        if world.chance(share):
            body |= more
    tag = f"{field} {operator} {type(value).__name__}"
    if operator == "between" and field in ID_FILTERS:
        extra.pop("values")
    if world.chance(0.1):
        body, tag = mutated(rng, body), "odd"
    return Request("POST", "/transactions/filter", "/transactions/filter", body, tag, looks=True)


def recover(world: World) -> Request:
    threshold = world.rng.choice(["24h", "2m", "90s", "x", "5", "-1h", "1h30m", "1.5h", "", "1d"])
    return Request("POST", f"/transactions/recover?threshold={threshold}", "/transactions/recover", tag=threshold)


REQUESTS = [
    (26, create), (8, bulk), (10, settle), (4, settle_many), (7, refund), (6, read), (5, read_reference), (3, listed),
    (4, filtered), (0.4, recover),
]  # fmt: skip
