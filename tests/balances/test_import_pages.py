"""The pages of imports: upload, preview, confirm, discard; who may, and what is refused in words on the page."""

from __future__ import annotations

import gzip
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from balances.models import Ledger, Transaction, now
from balances.models.uploads import Content, Upload
from balances.uploads import service
from balances.uploads.service import safe_name
from balances.uploads.tasks import forget_uploads
from reconciliation.measuring.measurement import measure
from reconciliation.models import Refusal
from tests.balances.test_import_readers import FEBRUARY, JOURNAL, camt
from tests.balances.test_importing import BALANCES, ROW, TRANSACTIONS, contents
from tests.people import person

pytestmark = pytest.mark.django_db
NEW = "admin:uploads_upload_add"


@pytest.fixture
def clerk() -> Client:
    client = Client()
    client.force_login(person("import_ledger", "view_upload"))
    return client


def file(text: str | bytes, name: str = "file.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text.encode() if isinstance(text, str) else text)


def upload(client: Client, **fields: Any) -> Any:
    given = {"ledger": "Shop", "totals": "stated", "delimiter": ",", "encoding": "utf-8", "units": "minor"}
    texts = {
        name: file(value)
        if isinstance(value, (str, bytes)) and name in ("balances", "transactions", "assertions", "statement")
        else value
        for name, value in fields.items()
    }
    return client.post(reverse(NEW), given | texts, follow=True)


def press(client: Client, name: str, found: Upload, **fields: Any) -> Any:
    given = {"fingerprint": found.fingerprint} | fields
    return client.post(reverse(f"admin:uploads_upload_{name}", args=[found.pk]), given, follow=True)


def words(response: Any) -> str:
    """Return the text of a page on one line."""
    return " ".join(response.content.decode().split())


# --- who may


@pytest.mark.parametrize("codename", ["view_ledger", "add_ledger", "change_ledger", "view_upload"])
def test_an_import_needs_a_permission_of_its_own(codename: str) -> None:
    client = Client()
    client.force_login(person(codename))
    assert client.get(reverse(NEW)).status_code == 403
    assert upload(client, balances=BALANCES, transactions=TRANSACTIONS).status_code == 403
    assert not Upload.objects.exists()
    assert Refusal.objects.filter(what__contains="/uploads/upload/add/").exists()


def test_somebody_who_may_only_look_sees_imports_and_has_no_buttons(clerk: Client) -> None:
    upload(clerk, balances=BALANCES, transactions=TRANSACTIONS)
    found = Upload.objects.get()
    client = Client()
    client.force_login(person("view_upload"))
    page = words(client.get(reverse("admin:uploads_upload_change", args=[found.pk])))
    assert "Preview" in page
    assert "/confirm/" not in page
    for name in ("confirm", "discard"):
        assert press(client, name, found).status_code == 403
    assert Upload.objects.get().state == "previewed"


def test_a_form_from_elsewhere_is_refused() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("import_ledger"))
    assert upload(client, balances=BALANCES, transactions=TRANSACTIONS).status_code == 403
    assert not Upload.objects.exists()


@pytest.mark.parametrize("name", ["confirm", "discard"])
def test_buttons_take_no_get(clerk: Client, name: str) -> None:
    upload(clerk, balances=BALANCES, transactions=TRANSACTIONS)
    assert clerk.get(reverse(f"admin:uploads_upload_{name}", args=[Upload.objects.get().pk])).status_code == 405


# --- preview and confirm


def test_an_upload_is_tried_shown_and_imported_once_confirmed(clerk: Client) -> None:
    before = contents()
    page = words(upload(clerk, balances=BALANCES, transactions=TRANSACTIONS))
    assert contents() == before, "a preview writes nothing"
    for part in ("nothing is imported yet", "2 balances and 2 transactions.", "@till", "in-1", "coffee, and cake"):
        assert part in page
    found = Upload.objects.get()
    assert {each["kind"]: each["bytes"] for each in found.files} == {
        "balances": len(BALANCES),
        "transactions": len(TRANSACTIONS),
    }
    done = words(press(clerk, "confirm", found))
    assert "Imported into ledger Shop." in done
    found.refresh_from_db()
    ledger = Ledger.objects.get(name="Shop")
    assert (found.state, found.ledger_id, found.ended_by) == ("imported", ledger.ledger_id, found.uploaded_by)
    assert Transaction.objects.count() == 2
    assert not Content.objects.exists(), "the files are in, and kept nowhere else"
    assert not any(one.has_drift for one in measure([each.pk for each in ledger.balances.all()]))


def test_a_second_press_on_confirm_imports_nothing_twice(clerk: Client) -> None:
    upload(clerk, balances=BALANCES, transactions=TRANSACTIONS)
    found = Upload.objects.get()
    press(clerk, "confirm", found)
    assert "This was imported already. Nothing was imported." in words(press(clerk, "confirm", found))
    assert Transaction.objects.count() == 2


def test_what_is_confirmed_is_what_was_previewed(clerk: Client) -> None:
    upload(clerk, balances=BALANCES, transactions=TRANSACTIONS)
    found = Upload.objects.get()
    sentence = "These are not the files that were previewed: upload them again. Nothing was imported."
    assert sentence in words(press(clerk, "confirm", found, fingerprint="0" * 64))
    Content.objects.filter(kind="transactions").update(data=TRANSACTIONS.replace("300", "301").encode())
    assert sentence in words(press(clerk, "confirm", found))
    Content.objects.filter(kind="transactions").update(data=TRANSACTIONS.encode())
    Upload.objects.update(options=found.options | {"units": "major", "precision": "100"})
    assert sentence in words(press(clerk, "confirm", found))
    assert not Transaction.objects.exists()


def test_what_has_changed_since_the_preview_is_refused_on_the_page(clerk: Client) -> None:
    upload(clerk, balances=BALANCES, transactions=TRANSACTIONS)
    found = Upload.objects.get()
    Ledger.objects.create(name="Shop")
    page = words(press(clerk, "confirm", found))
    assert "exists and did not come from these files; choose another name" in page
    assert Upload.objects.get().state == "previewed"


def test_a_discarded_upload_leaves_no_files(clerk: Client) -> None:
    upload(clerk, balances=BALANCES, transactions=TRANSACTIONS)
    found = Upload.objects.get()
    assert "The files were discarded." in words(press(clerk, "discard", found))
    assert (Upload.objects.get().state, Content.objects.count()) == ("discarded", 0)
    assert "This was discarded already" in words(press(clerk, "confirm", found))


def test_an_import_that_is_not_there_is_said_on_the_page(clerk: Client) -> None:
    upload(clerk, balances=BALANCES, transactions=TRANSACTIONS)
    gone = Upload(upload_id="imp_gone", fingerprint="")
    assert "There is no such import" in words(press(clerk, "confirm", gone))


def test_one_preview_a_person_waits_and_none_for_longer_than_a_day(clerk: Client) -> None:
    for name in ("Shop", "Other"):
        upload(clerk, ledger=name, balances=BALANCES, transactions=TRANSACTIONS)
    assert list(Upload.objects.order_by("uploaded_at").values_list("state", flat=True)) == ["discarded", "previewed"]
    assert Content.objects.count() == 2
    Upload.objects.update(uploaded_at=now() - timedelta(hours=25))
    forget_uploads(0)
    assert set(Upload.objects.values_list("state", flat=True)) == {"discarded"}
    assert not Content.objects.exists()


def test_stated_balances_are_listed_before_and_after_the_import(clerk: Client) -> None:
    stated = "indicator,currency,balance,at\n@till,CZK,1000,2024-01-01\n@till,CZK,1,2024-01-02\n"
    page = words(upload(clerk, balances=BALANCES, transactions=TRANSACTIONS, assertions=stated, time_zone="UTC"))
    for part in ("1 of 2 fail", "holds: @till 1000 CZK at 2024-01-01 (line 2)", "the rows say 700, 699 off (line 3)"):
        assert part in page
    done = words(press(clerk, "confirm", Upload.objects.get()))
    assert "Imported into ledger Shop. 1 of 2 stated balances fail." in done
    assert "the rows say 700, 699 off (line 3)" in done


def test_a_statement_is_appended_and_the_page_says_what_was_in_already(clerk: Client) -> None:
    upload(clerk, ledger="Bank", statement=camt(FEBRUARY))
    press(clerk, "confirm", Upload.objects.get())
    page = words(upload(clerk, ledger="Bank", statement=camt(FEBRUARY), append="on"))
    assert "0 balances and 0 transactions; 2 transactions were in already." in page


def test_options_of_every_kind_reach_the_service(clerk: Client) -> None:
    text = "x\nBeleg;Von;An;Betrag;Tag;Notiz\nB1;@a;@b;1 010,50;31.01.2024;bar\n"
    page = words(
        upload(
            clerk,
            transactions=text.encode("cp1252"),
            totals="from-rows",
            delimiter=";",
            encoding="cp1252",
            skip_lines="1",
            decimal=",",
            thousands="space",
            units="major",
            precision="JPY=1 100",
            currency="CZK",
            time_zone="Europe/Prague",
            date_format="%d.%m.%Y",
            map="reference=Beleg\nsource=Von\ndestination=An\namount=Betrag\neffective_date=Tag",
            ignore="Notiz",
        )
    )
    assert "1 010.50" in page.replace("\u202f", " ").replace("1010.5 CZK", "1 010.50")
    press(clerk, "confirm", Upload.objects.get())
    row = Transaction.objects.get()
    assert (row.precise_amount, str(row.effective_date)) == (101_050, "2024-01-30 23:00:00+00:00")


# --- what is refused, in words on the page


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Choose a file."),
        ({"ledger": "", "balances": BALANCES}, "This field is required."),
        ({"balances": BALANCES.replace("1000,300", "many,300")}, "file.csv, line 2, column credit_balance: 'many' is"),
        ({"balances": BALANCES.replace(",", ";")}, "separated by ';'? use --delimiter ';'"),
        ({"balances": b"PK\x03\x04\xff"}, "this looks like an Excel or zip file; save it as CSV"),
        ({"balances": b"\x00" * 50}, "there is a NUL character"),
        ({"balances": BALANCES, "statement": camt(FEBRUARY)}, "Statements and journals come in alone"),
        ({"balances": BALANCES, "time_zone": "Mars"}, "'Mars' is not a time zone"),
        ({"balances": BALANCES, "precision": "x"}, "Minor units: 'x' is neither a number such as 100"),
        ({"balances": BALANCES, "map": "reference"}, "Columns: 'reference' is not of the form NAME=NAME"),
        ({"balances": BALANCES, "delimiter": "x"}, "Select a valid choice."),
        ({"balances": BALANCES, "skip_lines": "-1"}, "greater than or equal to 0"),
        ({"transactions": TRANSACTIONS}, "Without a file of balances nothing states their totals"),
        ({"statement": "hello"}, "its beginning does not show what it is"),
        ({"statement": JOURNAL + 'include "/etc/passwd"\n'}, "an uploaded journal is one file"),
        ({"statement": JOURNAL + 'plugin "os"\n'}, "may change entries, and no plugin is run"),
        ({"statement": camt(FEBRUARY).replace("?>", '?><!DOCTYPE x SYSTEM "file:///etc/hosts">', 1)}, "declares a doc"),
        ({"balances": gzip.compress(BALANCES.encode(), mtime=0)[:40]}, "ends too early: the gzip file is not whole"),
        ({"balances": gzip.compress(b"a", mtime=0) * 2}, "holds several packed files; unpack it first"),
        ({"balances": BALANCES, "append": "on"}, "There is no ledger 'Shop' to add to"),
        ({"balances": BALANCES, "opening_from": "equity"}, "'equity' is not an indicator such as @world"),
    ],
)  # fmt: skip
def test_a_refusal_is_a_sentence_on_the_page(clerk: Client, fields: dict[str, Any], sentence: str) -> None:
    before = contents()
    response = upload(clerk, **fields)
    page = words(response).replace("&#x27;", "'")
    assert response.status_code == 200
    assert sentence in page
    assert "/import-" not in page, "no path of this machine"
    assert contents() == before
    assert not Upload.objects.exists()


def test_what_is_too_large_for_a_page_is_sent_to_the_shell(clerk: Client, settings: Any) -> None:
    settings.MAX_REQUEST_BODY_BYTES = 1 << 20
    sentence = "The files are larger than 1 MB together: use manage.py import_ledger at the shell."
    assert sentence in words(upload(clerk, balances="x" * (1 << 20) + "x"))
    bomb = gzip.compress(b"0" * (11 << 20), mtime=0)
    assert len(bomb) < 100_000
    assert "file.csv holds more than 10 MB: use manage.py import_ledger" in words(upload(clerk, balances=bomb))


@pytest.mark.parametrize(
    ("sent", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("..", "_"),
        ("C:\\Users\\me\\März (1).csv", "März (1).csv"),
        (".hidden", "_hidden"),
        ("a/b\0c\n<script>.csv", "b_c__script_.csv"),
        ("", "file"),
        ("x" * 300 + ".csv", "x" * 76 + ".csv"),
    ],
)
def test_the_name_of_an_uploaded_file_is_no_path(sent: str, safe: str) -> None:
    assert safe_name(sent) == safe


def test_files_are_on_disk_only_while_they_are_read(clerk: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []
    real = service.import_ledger

    def spy(request: Any) -> Any:
        seen.extend(path for path in (request.balances, request.transactions) if path)
        assert all(path.exists() for path in seen)
        return real(request)

    monkeypatch.setattr(service, "import_ledger", spy)
    upload(clerk, balances=file(BALANCES, "../../b.csv"), transactions=TRANSACTIONS)
    assert [path.name for path in seen] == ["b.csv", "file.csv"]
    assert not any(path.parent.parent.exists() for path in seen)


def test_the_list_of_imports_names_ledger_files_and_person(clerk: Client) -> None:
    upload(clerk, balances=BALANCES, transactions=TRANSACTIONS)
    page = words(clerk.get(reverse("admin:uploads_upload_changelist")))
    for part in ("Shop", "file.csv", "Waits to be confirmed", Upload.objects.get().uploaded_by):
        assert part in page
    assert ROW not in page
