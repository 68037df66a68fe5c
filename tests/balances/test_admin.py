from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from balances.backoffice.ledger import known_precision, last_transactions
from balances.backoffice.lists import COUNTED, EstimatingPaginator
from balances.backoffice.metadata_form import ExactJSONFormField, fingerprint
from balances.models import RUN_FLAG, Balance, Ledger, Transaction
from balances.templatetags.money import difference, major, money
from reconciliation.correcting.rebuilding import reconstruct
from reconciliation.models import Reconstruction
from tests import world
from tests.people import VIEW, signed_in

pytestmark = pytest.mark.django_db
LISTS = ("balances_ledger", "balances_balance", "balances_transaction", "reconciliation_reconstruction")


def change_url(balance: Balance) -> str:
    return reverse("admin:balances_balance_change", args=[balance.pk])


def edit(client: Any, balance: Balance, meta_data: str, seen: str | None = None) -> Any:
    """Post the metadata form as the page would; ``seen`` is what the page had shown."""
    stored = Balance.objects.get(pk=balance.pk).meta_data
    return client.post(change_url(balance), {"meta_data": meta_data, "seen": seen or fingerprint(stored)})


# --- refused


@pytest.mark.parametrize("model", LISTS)
def test_a_list_is_closed_to_staff_without_permission(model: str) -> None:
    assert signed_in().get(reverse(f"admin:{model}_changelist")).status_code == 403


@pytest.mark.parametrize("model", LISTS[1:])
def test_nobody_adds_rows_by_hand_not_even_with_every_permission(model: str) -> None:
    client = signed_in(*VIEW, "add_balance", "add_transaction", "add_reconstruction")
    assert client.get(reverse(f"admin:{model}_add")).status_code == 403


@pytest.mark.parametrize("kind", ["ledger", "balance", "transaction"])
def test_nobody_deletes_rows_not_even_with_every_permission(kind: str) -> None:
    client = signed_in(*VIEW, *(f"delete_{each}" for each in ("ledger", "balance", "transaction")))
    row = world.post("@a", "@b", 100)
    pk = {"ledger": row.source.ledger_id, "balance": row.source_id, "transaction": row.pk}[kind]  # type: ignore[union-attr]
    assert client.post(reverse(f"admin:balances_{kind}_delete", args=[pk]), {"post": "yes"}).status_code == 403


def test_a_transaction_cannot_be_changed() -> None:
    row = world.post("@a", "@b", 100)
    client = signed_in(*VIEW, "change_transaction")
    answer = client.post(reverse("admin:balances_transaction_change", args=[row.pk]), {"precise_amount": "1"})
    assert answer.status_code == 403
    assert Transaction.objects.get(pk=row.pk).precise_amount == 100


def test_totals_cannot_be_changed_through_the_form() -> None:
    balance = world.balance(meta_data={"a": 1})
    client = signed_in(*VIEW, "change_balance")
    forged = {"meta_data": '{"a": 2}', "seen": fingerprint({"a": 1}), "credit_balance": "99", "balance": "99"}
    assert client.post(change_url(balance), forged).status_code == 302
    assert world.totals(balance)["credit_balance"] == 0


def test_metadata_cannot_be_changed_with_the_view_permission_alone() -> None:
    balance = world.balance(meta_data={"a": 1})
    assert edit(signed_in(*VIEW), balance, "{}").status_code == 403
    assert Balance.objects.get(pk=balance.pk).meta_data == {"a": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        "{",
        "[1]",
        '"text"',
        "12",
        '{"a": NaN}',
        '{"a": "\\u0000"}',
        '{"a": "\\ud800"}',
        '{"a": 1e999}',
        pytest.param("[" * 100_000, id="nested too deep"),
        pytest.param(f'{{"a": {"9" * 1001}}}', id="too many digits"),
    ],
)
def test_metadata_that_cannot_be_kept_is_a_form_error(wrong: str) -> None:
    balance = world.balance(meta_data={"a": 1})
    answer = edit(signed_in(*VIEW, "change_balance"), balance, wrong)
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors["meta_data"]
    assert Balance.objects.get(pk=balance.pk).meta_data == {"a": 1}


def test_metadata_that_somebody_else_changed_meanwhile_is_not_overwritten() -> None:
    balance = world.balance(meta_data={"a": 1})
    Balance.objects.filter(pk=balance.pk).update(meta_data={"a": 1, "BLNK_RECONCILIATION_RESULT": {"difference": "5"}})
    answer = edit(signed_in(*VIEW, "change_balance"), balance, '{"a": 2}', seen=fingerprint({"a": 1}))
    assert "changed by someone else" in answer.content.decode()
    assert Balance.objects.get(pk=balance.pk).meta_data["BLNK_RECONCILIATION_RESULT"] == {"difference": "5"}


def test_the_flag_is_refused_to_those_who_may_not_reconstruct() -> None:
    balance = world.balance(meta_data={"a": 1})
    world.drift(balance, credit=5)
    answer = edit(signed_in(*VIEW, "change_balance"), balance, json.dumps({RUN_FLAG: "SOURCE"}))
    assert "you do not have the permission" in answer.content.decode()
    assert world.totals(balance)["credit_balance"] == 5
    assert not Reconstruction.objects.exists()


# --- metadata


def test_metadata_keeps_every_digit_through_the_form() -> None:
    balance = world.balance(meta_data={"limit": Decimal("12345678901234567890.12")})
    client = signed_in(*VIEW, "change_balance")
    shown = client.get(change_url(balance)).context["adminform"].form["meta_data"].value()
    assert "12345678901234567890.12" in shown
    assert edit(client, balance, shown.replace("limit", "max")).status_code == 302
    assert Balance.objects.get(pk=balance.pk).meta_data == {"max": Decimal("12345678901234567890.12")}


def test_empty_metadata_becomes_none() -> None:
    balance = world.balance(meta_data={"a": 1})
    assert edit(signed_in(*VIEW, "change_balance"), balance, "").status_code == 302
    assert Balance.objects.get(pk=balance.pk).meta_data is None


def test_a_backslash_before_u0000_is_only_text() -> None:
    assert ExactJSONFormField().clean('{"path": "c:\\\\u0000"}') == {"path": "c:\\u0000"}
    with pytest.raises(ValidationError):
        ExactJSONFormField().clean('{"path": "c:\\\\\\u0000"}')


def test_the_flag_in_the_form_rebuilds_the_balance_and_names_the_person(
    django_capture_on_commit_callbacks: Any, settings: Any
) -> None:
    settings.LEDGER_FOUR_EYES_DIRECT = False
    balance = world.balance(meta_data={"a": 1})
    world.post("@a", balance, 700)
    world.drift(balance, credit=5)
    client = signed_in(*VIEW, "change_balance", "reconstruct_balance")
    with django_capture_on_commit_callbacks(execute=True):
        edit(client, balance, json.dumps({"a": 1, RUN_FLAG: "SOURCE"}))
    assert world.totals(balance)["credit_balance"] == 700
    stored = Balance.objects.get(pk=balance.pk).meta_data
    assert RUN_FLAG not in stored
    assert stored["BLNK_RECONCILIATION_RESULT"]["difference"] == "-5"
    record = Reconstruction.objects.get()
    assert record.origin == "admin"
    assert record.actor.startswith("person-")


# --- money


@pytest.mark.parametrize(
    ("units", "precision", "shown"),
    [
        (0, 100, "0.00"),
        (5, 100, "0.05"),
        (-123456, 100, "-1,234.56"),
        (10**30 + 1, 10**18, "1,000,000,000,000.000000000000000001"),
        (15, 10, "1.5"),
        (1, 12, "0.0833333333333333"),
        (500, 1, ""),
        (500, None, ""),
        (500, 0, ""),
        (Decimal("1.5"), 100, ""),
    ],
)
def test_the_major_amount_is_exact_and_absent_where_it_says_nothing(
    units: int, precision: int | None, shown: str
) -> None:
    assert major(units, precision) == shown


def test_minor_units_are_shown_as_stored_whatever_their_size() -> None:
    assert f">{10**200}<" in money(10**200)
    assert ">1.5<" in money(Decimal("1.50"))
    assert "–" in money(None)


def test_a_difference_is_green_where_there_is_none_and_red_with_its_sign_where_there_is() -> None:
    assert "money-agrees" in difference(0)
    assert "money-differs" in difference(5)
    assert ">+5<" in difference(5)
    assert ">-5<" in difference(-5)


# --- lists


def rows_shown(answer: Any) -> list[Any]:
    return list(answer.context["cl"].result_list)


def queries_of_list(client: Any, model: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(reverse(f"admin:{model}_changelist")).status_code == 200
    return len(captured)


@pytest.mark.parametrize("model", LISTS)
def test_a_list_asks_as_often_for_many_rows_as_for_few(model: str) -> None:
    client = signed_in(*VIEW)
    drifted_and_rebuilt(2)
    queries_of_list(client, model)
    few = queries_of_list(client, model)
    drifted_and_rebuilt(8)
    assert queries_of_list(client, model) == few


def drifted_and_rebuilt(count: int) -> None:
    for _ in range(count):
        balance = world.balance(world.ledger())
        world.post("@a", balance, 100)
        world.drift(balance, credit=1)
        reconstruct(balance.pk, world.request())


def test_few_rows_are_counted_and_a_filtered_list_is_counted_up_to_a_limit(monkeypatch: Any) -> None:
    for _ in range(3):
        world.balance()
    rows = Balance.objects.newest_first()
    assert EstimatingPaginator(rows, 50).count_in_words == "3"
    monkeypatch.setattr("balances.backoffice.lists.EstimatingPaginator.counted", 2)
    assert EstimatingPaginator(rows.filter(currency="USD"), 1).count_in_words == "more than 2"
    assert EstimatingPaginator(rows, 1).count_in_words == "about 2"
    assert EstimatingPaginator(rows, 1).num_pages == 2
    assert COUNTED == 10_000


@pytest.mark.parametrize("typed", ["@alice", "alice", "ali", "{id}", "{start}"])
def test_a_balance_is_found_by_the_beginning_of_its_indicator_or_id(typed: str) -> None:
    alice = world.balance(indicator="@alice")
    world.balance(indicator="@bob")
    typed = typed.format(id=alice.pk, start=alice.pk[:14])
    assert rows_shown(signed_in(*VIEW).get(reverse("admin:balances_balance_changelist"), {"q": typed})) == [alice]


@pytest.mark.parametrize("typed", ["{reference}", "{id}", "{start}", "{source}", "{destination}"])
def test_a_transaction_is_found_by_reference_id_or_balance(typed: str) -> None:
    wanted = world.post("@a", "@b", 100)
    world.post("@c", "@d", 100)
    typed = typed.format(
        reference=wanted.reference,
        id=wanted.pk,
        start=wanted.pk[:14],
        source=wanted.source_id,
        destination=wanted.destination_id,
    )
    assert rows_shown(signed_in(*VIEW).get(reverse("admin:balances_transaction_changelist"), {"q": typed})) == [wanted]


def test_a_hold_leads_to_its_children() -> None:
    source, destination = world.balance(), world.balance()
    hold = world.row("INFLIGHT", 100, source, destination)
    commit = world.row("APPLIED", 100, source, destination, parent_transaction=hold.pk)
    answer = signed_in(*VIEW).get(reverse("admin:balances_transaction_changelist"), {"q": hold.pk})
    assert set(rows_shown(answer)) == {hold, commit}


def test_lists_are_narrowed_by_ledger_currency_status_and_day() -> None:
    client = signed_in(*VIEW)
    euro = world.balance(world.ledger("Euros"), currency="EUR")
    row = world.post("@a", "@b", 100)
    world.row("VOID", 100, row.source, row.destination)  # type: ignore[arg-type]
    balances, transactions = (reverse(f"admin:balances_{each}_changelist") for each in ("balance", "transaction"))
    assert rows_shown(client.get(balances, {"currency": "EUR"})) == [euro]
    assert rows_shown(client.get(balances, {"ledger__ledger_id__exact": euro.ledger_id})) == [euro]
    assert rows_shown(client.get(transactions, {"status__exact": "APPLIED"})) == [row]
    day = f"{row.created_at:%Y-%m-%d}"
    assert row in rows_shown(client.get(transactions, {"created_at_from": day, "created_at_to": day}))
    assert rows_shown(client.get(transactions, {"created_at_to": "2001-01-01"})) == []
    assert len(rows_shown(client.get(transactions, {"created_at_to": "yesterday"}))) == 2


@pytest.mark.parametrize("model", LISTS)
def test_a_list_never_counts_the_choices_of_its_filters(model: str) -> None:
    answer = signed_in(*VIEW).get(reverse(f"admin:{model}_changelist"), {"_facets": "True"}, follow=True)
    assert not answer.context["cl"].add_facets
    assert "Show counts" not in answer.content.decode()


def test_a_list_shows_the_major_amount_of_a_transaction_and_its_minor_units_on_hover() -> None:
    world.post("@a", "@b", 123456)
    page = signed_in(*VIEW).get(reverse("admin:balances_transaction_changelist")).content.decode()
    assert "1,234.56 USD" in page
    assert 'title="123456 minor units"' in page


# --- pages


@pytest.mark.parametrize("start", ["22", "25", "26", "40", "5f", "3a"])
def test_an_id_that_looks_as_if_the_admin_had_quoted_it_leads_to_its_page(start: str) -> None:
    balance = Balance.objects.create(balance_id=f"bln_{start}aa-1", ledger=world.ledger(), currency="USD")
    client = signed_in(*VIEW, "change_balance")
    listed = client.get(reverse("admin:balances_balance_changelist")).content.decode()
    assert f'href="{change_url(balance)}"' in listed
    for url in (change_url(balance), change_url(balance).replace(balance.pk, quote(balance.pk))):
        assert client.get(url).status_code == 200
    assert edit(client, balance, '{"a": 1}').status_code == 302
    assert Balance.objects.get(pk=balance.pk).meta_data == {"a": 1}


def test_the_page_of_a_balance_shows_its_last_transactions_newest_first() -> None:
    alice, bob = world.balance(indicator="@alice"), world.balance(indicator="@bob")
    paid = world.post(alice, bob, 100)
    hold = world.row("INFLIGHT", 50, bob, alice)
    undated = world.row("APPLIED", 70, alice, bob, effective_date=None)
    world.post("@x", "@y", 1)
    assert last_transactions(alice.pk) == [undated, hold, paid]
    page = signed_in(*VIEW).get(change_url(alice)).content.decode()
    assert f"{undated.created_at:%Y-%m-%d %H:%M:%S}" in page
    assert paid.reference in page  # type: ignore[operator]
    assert reverse("admin:balances_balance_change", args=[bob.pk]) in page


def test_rows_without_an_effective_date_do_not_hide_newer_ones() -> None:
    alice, bob = world.balance(), world.balance()
    for _ in range(25):
        world.row("APPLIED", 1, alice, bob, effective_date=None, created_at="2020-01-01T00:00:00Z")
    newest = world.post(alice, bob, 100)
    assert last_transactions(alice.pk)[0] == newest


def test_the_page_of_a_balance_asks_as_often_for_many_transactions_as_for_one() -> None:
    client, alice = signed_in(*VIEW), world.balance()
    counts = []
    for _ in range(2):
        for each in range(6):
            world.post(f"@other-{each}-{len(counts)}", alice, 100)
        client.get(change_url(alice))
        with CaptureQueriesContext(connection) as captured:
            client.get(change_url(alice))
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 12


def test_major_units_are_shown_only_where_all_transactions_share_a_precision() -> None:
    alice = world.balance()
    world.post("@a", alice, 123456)
    client = signed_in(*VIEW)
    assert "1,234.56" in client.get(change_url(alice)).content.decode()
    world.post("@a", alice, 1, precision=1000)
    assert known_precision(last_transactions(alice.pk)) is None
    assert "do not share one precision" in client.get(change_url(alice)).content.decode()


def test_everything_is_shown_to_those_who_may_only_look() -> None:
    balance = world.balance(meta_data={"limit": Decimal("12345678901234567890.12")})
    row = world.post("@a", balance, 100)
    client = signed_in(*VIEW)
    pages = {
        "balances_balance": balance.pk,
        "balances_ledger": balance.ledger_id,
        "balances_transaction": row.pk,
    }
    for model, pk in pages.items():
        page = client.get(reverse(f"admin:{model}_change", args=[pk])).content.decode()
        assert 'name="_save"' not in page
        assert "<textarea" not in page
    assert "12345678901234567890.12" in client.get(change_url(balance)).content.decode()


def test_what_stands_in_the_rows_is_escaped() -> None:
    evil = "<script>alert(1)</script>"
    balance = world.balance(world.ledger(evil), indicator=f"@{evil}", meta_data={evil: evil})
    row = world.post("@a", balance, 100, description=evil, reference=evil)
    client = signed_in(*VIEW)
    for url in (
        change_url(balance),
        reverse("admin:balances_balance_changelist"),
        reverse("admin:balances_transaction_changelist"),
        reverse("admin:balances_transaction_change", args=[row.pk]),
        reverse("admin:balances_ledger_changelist"),
    ):
        assert evil not in client.get(url).content.decode()


def test_a_ledger_is_opened_and_renamed_through_posting() -> None:
    client = signed_in(*VIEW, "add_ledger", "change_ledger")
    client.post(
        reverse("admin:balances_ledger_add"), {"name": "Savings", "meta_data": '{"big": 12345678901234567890.12}'}
    )
    opened = Ledger.objects.get(name="Savings")
    assert opened.meta_data == {"big": Decimal("12345678901234567890.12")}
    client.post(reverse("admin:balances_ledger_change", args=[opened.pk]), {"name": "Deposits"})
    renamed = Ledger.objects.get(pk=opened.pk)
    assert (renamed.name, renamed.meta_data) == ("Deposits", opened.meta_data)


def test_people_groups_and_jobs_have_pages_of_the_same_style() -> None:
    client = signed_in("view_user", "view_group", "add_user", "view_procrastinatejob")
    for model in ("auth_user", "auth_group", "procrastinate_procrastinatejob"):
        assert client.get(reverse(f"admin:{model}_changelist")).status_code == 200
    assert "unfold" in client.get(reverse("admin:auth_user_changelist")).content.decode()
