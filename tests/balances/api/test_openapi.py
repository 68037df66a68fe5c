"""What the OpenAPI document says of bodies and filters."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as DjangoClient

from tests.client import Client

pytestmark = pytest.mark.django_db
BODILESS = {"/transactions/recover", "/balances-snapshots", "/identities/{identity_id}/tokenize/{field}"}


@pytest.fixture
def paths() -> Any:
    return Client(None).get("/schema").body["paths"]


def test_every_core_route_that_creates_or_filters_describes_its_body(paths: Any) -> None:
    core = (
        *("/ledgers", "/balances", "/balance-monitors", "/transactions", "/identities", "/accounts", "/api-keys"),
        "/{entity_id}/metadata",
    )
    posted = [path for path in paths if path.startswith(core) and "post" in paths[path] and path not in BODILESS]
    described = [
        path for path in posted if "application/json" in paths[path]["post"].get("requestBody", {}).get("content", {})
    ]
    assert len(posted) >= 8
    assert [path for path in posted if path not in described and "{balance_id}" not in path] == []


@pytest.mark.parametrize("table", ["ledgers", "balances", "transactions", "identities", "accounts"])
def test_a_filter_route_names_its_fields_and_both_shapes_of_its_answer(paths: Any, table: str) -> None:
    route = paths[f"/{table}/filter"]
    assert list(route) == ["post"]
    assert "`meta_data.key`" in route["post"]["description"]
    rows, counted = route["post"]["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"]
    assert (rows["type"], rows.get("nullable", False)) == ("array", table in {"balances", "identities", "accounts"})
    assert list(counted["properties"]) == ["data", "total_count"]
    parameters = {parameter["name"]: parameter for parameter in paths[f"/{table}"]["get"]["parameters"]}
    assert set(parameters) == {"limit", "offset", "logical_operator", "filters"}
    assert parameters["filters"]["explode"] is True


def test_what_an_answer_may_leave_out_or_have_as_null_is_described_so() -> None:
    shapes = Client(None).get("/schema").body["components"]["schemas"]
    assert shapes["TransactionLineageAnswer"]["properties"]["shadow_transactions"]["nullable"] is True
    assert {"balance_id", "role", "currency"} <= set(shapes["ProjectionAnswer"]["required"])
    assert "virtual" not in shapes["ProjectionAnswer"]["required"]


def test_health_is_described_with_what_it_says_of_workers(paths: Any) -> None:
    answers = paths["/health"]["get"]["responses"]
    assert set(answers) == {"200", "503"}
    shape = Client(None).get("/schema").body["components"]["schemas"]["HealthAnswer"]
    assert (set(shape["properties"]), shape["required"]) == ({"status", "worker"}, ["status"])


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "PUT", "DELETE"])
def test_the_page_that_shows_it_is_there_to_be_read_only(method: str) -> None:
    assert DjangoClient().generic("GET", "/docs").status_code == 200
    assert DjangoClient(raise_request_exception=False).generic(method, "/docs").status_code == 404
