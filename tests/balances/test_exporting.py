"""Lists as files: closed to those who may not view them, exact, harmless to spreadsheets, and streamed."""

from __future__ import annotations

import csv
import io
import tracemalloc
import zipfile
from typing import Any
from xml.etree import ElementTree

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

import ledgerproj.urls  # noqa: F401 - finds the admin pages
from balances.backoffice import LedgerModelAdmin, exporting
from balances.ground import BalanceLocked
from balances.models import Balance, Ledger, Transaction
from balances.people import identities
from ledgerproj.tasks import forget_finished_jobs
from reconciliation.models import Export, Seal
from reconciliation.records import Verification
from tests import world
from tests.people import VIEW, signed_in

pytestmark = pytest.mark.django_db
LONG = int("1234567890" * 4)
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def url(model: str, kind: str = "csv") -> str:
    return reverse(f"admin:{model}_export_{kind}")


def exported(client: Any, model: str, **query: str) -> list[dict[str, str]]:
    answer = client.get(url(model), query)
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode(), newline="")))


def cells(content: bytes) -> list[list[tuple[str, str]]]:
    """Return the type and the text of each cell of a workbook."""
    book = zipfile.ZipFile(io.BytesIO(content))
    sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314 - we have written it
    assert sheet.find(f".//{SHEET}f") is None, "a formula"
    return [[(cell.get("t", ""), "".join(cell.itertext())) for cell in row] for row in sheet.iter(f"{SHEET}row")]


# --- refused


@pytest.mark.parametrize("kind", exporting.KINDS)
def test_no_list_is_exported_for_who_may_not_view_it(kind: str) -> None:
    somebody, nobody = signed_in("view_ledger"), signed_in()
    pages = [page for page in admin.site._registry.values() if isinstance(page, LedgerModelAdmin)]
    assert len(pages) > 20
    for page in pages:
        where = url(f"{page.opts.app_label}_{page.opts.model_name}", kind)
        assert nobody.get(where).status_code == 403, where
        answer = somebody.get(where)
        assert answer.status_code == (200 if page.model is Ledger else 403), where
        b"".join(answer.streaming_content if answer.streaming else [])


def test_nothing_leaves_without_a_record_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise BalanceLocked

    monkeypatch.setattr("reconciliation.records.exports.lock_chain", refuse)
    client = signed_in(*VIEW)
    for kind in exporting.KINDS:
        answer = client.get(url("balances_ledger", kind), follow=True)
        assert "Nothing was exported." in answer.content.decode()
    assert not Export.objects.exists()


def test_who_took_which_list_how_filtered_and_of_how_many_rows_is_sealed() -> None:
    one, two = world.ledger("A"), world.ledger("B")
    client = signed_in(*VIEW)
    assert len(exported(client, "balances_ledger", q=one.pk)) == 1
    b"".join(client.get(url("balances_ledger", "xlsx")).streaming_content)
    last, first = Export.objects.all()
    assert (first.listed, first.file_kind, first.filters, first.rows) == ("balances.ledger", "csv", f"q={one.pk}", 1)
    assert (last.file_kind, last.filters, last.rows) == ("xlsx", "", Ledger.objects.count())
    assert first.actor.startswith("person-")
    assert first.address
    assert Seal.objects.filter(kind="export").count() == 2
    assert list(Verification()) == []
    assert two


def test_users_groups_and_jobs_are_exported_without_what_is_secret() -> None:
    admin = User.objects.create_superuser("root", password="a long password")
    client = Client()
    client.force_login(admin)
    (row,) = exported(client, "auth_user")
    assert row["username"] == "root"
    assert "password" not in row
    forget_finished_jobs.defer(timestamp=4711)
    (row,) = exported(client, "procrastinate_procrastinatejob")
    assert "args" not in row
    assert "4711" not in str(row)
    Group.objects.all().delete()
    Group.objects.create(name="finance").permissions.set(Permission.objects.all()[:3])
    (row,) = exported(client, "auth_group")
    assert (set(row), row["name"]) == ({"id", "name"}, "finance")


def test_a_filter_that_is_not_there_exports_nothing() -> None:
    assert signed_in(*VIEW).get(url("balances_transaction"), {"nothing": "1"}).status_code == 400


def test_a_workbook_of_too_many_rows_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "MOST_IN_A_WORKBOOK", 1)
    world.ledger("A")
    world.ledger("B")
    client = signed_in(*VIEW)
    answer = client.get(url("balances_ledger", "xlsx"), {"q": ""}, follow=True)
    assert "more than 1 rows, too many for a workbook (a sheet ends at 1,048,576)" in answer.content.decode()
    assert len(exported(client, "balances_ledger")) > 1


def test_a_text_that_no_cell_holds_is_refused_and_not_cut() -> None:
    world.ledger("x" * 40_000)
    client = signed_in(*VIEW)
    answer = client.get(url("balances_ledger", "xlsx"), follow=True)
    assert "more than 32,767 characters" in answer.content.decode()
    assert "x" * 40_000 in {row["name"] for row in exported(client, "balances_ledger")}


def test_secrets_and_addresses_that_may_hold_one_are_in_no_export() -> None:
    for model, page in admin.site._registry.items():
        if isinstance(page, LedgerModelAdmin):
            assert not {"key", "url", "call_back_url"} & set(exporting.columns(model, {})), model


def test_tokens_stay_tokens(settings: Any) -> None:
    from balances.people import tokenizing
    from reconciliation.models import Disclosure

    settings.BLNK_TOKENIZATION_SECRET = b"0123456789abcdef0123456789abcdef"
    alice = identities.register(identity_type="individual", first_name="Alice", last_name="Stone")
    tokenizing.tokenize(alice.pk, ["FirstName"])
    client = signed_in("view_identity", "detokenize_identity")
    assert "Alice" not in str(exported(client, "balances_identity"))
    assert not Disclosure.objects.exists()


# --- exact


def test_the_export_is_what_is_filtered_and_searched_in_its_order() -> None:
    rows = [world.post("@a", "@b", units, precision=100) for units in (500, 700, 500)]
    client = signed_in(*VIEW)
    assert [row["transaction_id"] for row in exported(client, "balances_transaction", q="5.00")] == [
        rows[2].pk,
        rows[0].pk,
    ]
    assert exported(client, "balances_transaction", status__exact="VOID") == []
    oldest_first = exported(client, "balances_transaction", o="5")
    assert [row["transaction_id"] for row in oldest_first] == [row.pk for row in rows]


def test_money_is_minor_and_major_units_without_a_digit_lost() -> None:
    world.post("@a", "@b", LONG, precision=100)
    row = exported(signed_in(*VIEW), "balances_transaction")[0]
    assert row["precise_amount (minor units)"] == str(LONG)
    assert row["precise_amount (major units)"] == f"{LONG // 100}.{LONG % 100}"


def test_every_cell_of_a_workbook_is_text_also_forty_digits_and_a_formula() -> None:
    world.post("@a", "@b", LONG, precision=100, description="=1+1")
    answer = signed_in(*VIEW).get(url("balances_transaction", "xlsx"))
    titles, row = cells(b"".join(answer.streaming_content))
    assert {kind for kind, _ in row} <= {"inlineStr", ""}
    shown = dict(zip((text for _, text in titles), (text for _, text in row), strict=False))
    assert str(LONG) in shown.values()
    assert "=1+1" in shown.values()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_text_is_no_formula_in_csv(text: str) -> None:
    world.post("@a", "@b", 5, description=text)
    row = exported(signed_in(*VIEW), "balances_transaction")[0]
    assert row["description"] == f"'{text}"


def test_a_negative_amount_stays_a_number_in_csv() -> None:
    world.post("@a", "@b", 5)
    nets = [row["balance (minor units)"] for row in exported(signed_in(*VIEW), "balances_balance")]
    assert sorted(nets) == ["-5", "5"]


# --- streamed


def test_an_export_is_read_in_a_few_queries_and_one_more_for_many_rows() -> None:
    world.balance()
    client = signed_in(*VIEW)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            exported(client, "balances_balance")
        counts.append(len(queries))
        owner = world.ledger()
        Balance.objects.bulk_create([Balance(ledger=owner, currency="USD") for _ in range(2_500)])
    assert counts[0] <= counts[1] <= counts[0] + 2 <= 20  # ledgers are read for 2,000 balances at a time


@pytest.mark.django_db(transaction=True)
def test_the_memory_of_an_export_does_not_grow_with_the_list() -> None:
    owner = world.ledger()
    cast = [world.balance(owner), world.balance(owner)]
    peaks = []
    for _ in range(2):
        world.many_rows(cast, 10_000, prefix=f"many-{len(peaks)}")
        tracemalloc.start()
        sheet = exporting.sheet_of(Transaction.objects.order_by("created_at"), {})
        read = sum(len(piece) for piece in exporting.as_csv(sheet))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert read > 1_000_000 * len(peaks)
    assert peaks[1] < peaks[0] * 1.3
