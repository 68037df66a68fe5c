"""Identities over REST, and whose a balance is."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from balances.models import Balance
from balances.models.people import Identity
from balances.people import identities, tokenizing
from reconciliation.models import Disclosure
from tests import world
from tests.client import Answer, Client

pytestmark = pytest.mark.django_db
KEY = b"0123456789abcdef0123456789abcdef"
ALICE: dict[str, Any] = {"first_name": "Alice", "last_name": "O'Neil: Jr", "street": "Žižkov 5"}
KEYS = (
    *("identity_id", "identity_type", "organization_name", "category", "first_name", "last_name", "other_names"),
    *("gender", "email_address", "phone_number", "nationality", "street", "country", "state", "post_code", "city"),
    *("dob", "created_at", "meta_data"),
)
UNKNOWN = "Identity with ID 'idt_x' not found"
DISABLED = (
    "tokenization is disabled: BLNK_TOKENIZATION_SECRET or tokenization_secret in your blnk.json file "
    "must be set to a 32-byte value"
)
FIELDS_REQUIRED = "Key: '{}.Fields' Error:Field validation for 'Fields' failed on the 'required' tag"
MALFORMED = (400, "GEN_MALFORMED_REQUEST")


@pytest.fixture(autouse=True)
def _key(settings: Any) -> None:
    settings.BLNK_TOKENIZATION_SECRET = KEY


def create(api: Client, **fields: Any) -> str:
    answer = api.post("/identities", ALICE | fields)
    assert answer.status == 201, answer.text
    created: str = answer.body["identity_id"]
    return created


def refused(answer: Answer, status: int, code: str, text: str, *, details: bool = False) -> None:
    assert answer.status == status, answer.text
    detail: dict[str, Any] = {"code": code, "message": text} | ({"details": {}} if details else {})
    assert answer.body == {"error": text, "error_detail": detail}


# --- refused


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "EOF"),
        (b"[]", "json: cannot unmarshal array into Go value of type model.Identity"),
        (b'{"first_name":5}', "json: cannot unmarshal number into Go struct field Identity.first_name of type string"),
        (
            b'{"meta_data":[]}',
            "json: cannot unmarshal array into Go struct field Identity.meta_data of type map[string]interface {}",
        ),
        (b'{"dob":5}', "Time.UnmarshalJSON: input is not a JSON string"),
        (b'{"dob":{}}', "Time.UnmarshalJSON: input is not a JSON string"),
        *(
            (b'{"dob":"%s"}' % given.encode(), f'parsing time "{given}"{text}')
            for given, text in (
                ("", ' as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006"'),
                ("x", ' as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'),
                ("1990-01-01", ' as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
                (
                    "1990-01-01 00:00:00Z",
                    ' as "2006-01-02T15:04:05Z07:00": cannot parse " 00:00:00Z" as "T"',
                ),
                ("1990-01-01T00:00:00", ' as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"'),
                (
                    "1990-01-01T00:00:00+0200",
                    ' as "2006-01-02T15:04:05Z07:00": cannot parse "+0200" as "Z07:00"',
                ),
                ("1990-13-01T00:00:00Z", ": month out of range"),
                ("1990-02-30T00:00:00Z", ": day out of range"),
                ("1990-01-01T25:00:00Z", ": hour out of range"),
                ("1990-01-01T00:00:61Z", ": second out of range"),
                ("1990-01-01T00:00:00+25:00", ": time zone offset hour out of range"),
                ("0001-01-01T00:00:00+01:00", ": not between the years 1 and 9999 in UTC"),
            )
        ),
        (b'{"dob":"1990-01-01T00:00:00Zx"}', 'parsing time "1990-01-01T00:00:00Zx": extra text: "x"'),
        (
            b'{"dob":"\\u00fc"}',  # the original quotes the escape
            'parsing time "ü" as "2006-01-02T15:04:05Z07:00": cannot parse "ü" as "2006"',
        ),
        (
            b'{"created_at":"x"}',
            'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"',
        ),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_malformed_identity_is_refused_in_the_decoders_words(api: Client, method: str, raw: bytes, text: str) -> None:
    refused(api.send(method, "/identities" + ("/idt_x" if method == "PUT" else ""), raw), *MALFORMED, text)
    assert not Identity.objects.exists()


@pytest.mark.parametrize(
    ("identity_id", "text", "details"),
    [
        ("x", "identity_id must start with the 'idt_' prefix", False),
        ("IDT_5f0c5b1f-8d0e-4c0e-9d5a-0a6c7b1e2f30", "identity_id must start with the 'idt_' prefix", False),
        *(
            (f"idt_{suffix}", "identity_id suffix after 'idt_' must be a valid UUID", True)
            for suffix in (
                "",
                "5",
                "5f0c5b1f8d0e-4c0e-9d5a-0a6c7b1e2f30",
                "g" * 32,
                "{" + "a" * 32 + "}",
                "a" * 32 + "\n",
            )
        ),
    ],
)
def test_an_id_of_another_form_is_refused(api: Client, identity_id: str, text: str, details: bool) -> None:
    answer = api.post("/identities", {"identity_id": identity_id})
    refused(answer, 400, "IDT_VALIDATION_ERROR", text, details=details)
    assert not Identity.objects.exists()


def test_an_id_is_taken_once(api: Client) -> None:
    chosen = f"idt_{uuid.uuid4()}"
    create(api, identity_id=chosen)
    again = api.post("/identities", {"identity_id": chosen, "first_name": "Bob"})
    refused(again, 400, "IDT_VALIDATION_ERROR", f"Identity already exists: {chosen}", details=True)
    assert api.get(f"/identities/{chosen}").body["first_name"] == "Alice"


@pytest.mark.parametrize(
    ("method", "path", "body", "details"),
    [
        ("GET", "", b"", True),
        ("PUT", "", {"first_name": "x"}, False),
        ("DELETE", "", b"", False),
        ("GET", "/tokenized-fields", b"", True),
        ("POST", "/tokenize/FirstName", b"", True),
        ("POST", "/tokenize", {"fields": ["FirstName", "bad"]}, True),
        ("GET", "/detokenize/FirstName", b"", True),
        ("POST", "/detokenize", {"fields": []}, True),
    ],
)
def test_an_unknown_identity_is_a_404(api: Client, method: str, path: str, body: Any, details: bool) -> None:
    refused(api.send(method, f"/identities/idt_x{path}", body), 404, "IDT_NOT_FOUND", UNKNOWN, details=details)


@pytest.mark.parametrize(
    "body", [b"{}", b"null", {"first_name": "", "dob": "0001-01-01T00:00:00Z"}, {"identity_id": "x"}]
)
def test_a_change_that_says_nothing_is_refused_before_anything_is_looked_up(api: Client, body: Any) -> None:
    refused(api.put("/identities/idt_x", body), 400, "GEN_BAD_REQUEST", "No fields provided for update")


@pytest.mark.parametrize("kind", ["balance", "account"])
def test_an_identity_that_is_referred_to_stays(api: Client, kind: str) -> None:
    alice, bob = create(api), create(api)
    held = world.balance(identity_id=alice)
    api.post("/accounts", {"balance_id": held.pk})
    if kind == "account":
        identities.link_balance(balance_id=held.pk, identity_id=bob)
    text = "Failed to delete identity: a balance or an account refers to it"
    refused(api.send("DELETE", f"/identities/{alice}"), 409, "GEN_CONFLICT", text, details=True)
    assert Identity.objects.filter(pk=alice).exists()


@pytest.mark.parametrize("field", ["first_name", "Gender", "", "firstname", "DOB"])
def test_a_field_beyond_the_seven_is_not_tokenizable_whoever_it_is(api: Client, field: str) -> None:
    text = f"field {field} is not tokenizable"
    refused(api.post("/identities/idt_x/tokenize", {"fields": [field]}), 400, "IDT_FIELD_NOT_TOKENIZABLE", text)
    if field:
        refused(api.post(f"/identities/idt_x/tokenize/{field}"), 400, "IDT_FIELD_NOT_TOKENIZABLE", text)


@pytest.mark.parametrize("way", ["tokenize", "detokenize"])
@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "EOF"),
        (b"{}", FIELDS_REQUIRED),
        (b'{"fields":null}', FIELDS_REQUIRED),
        (b'{"fields":"x"}', "json: cannot unmarshal string into Go struct field {}.fields of type []string"),
        (b'{"fields":[1]}', "json: cannot unmarshal number into Go struct field {}.fields of type string"),
    ],
)
def test_a_body_without_fields_is_malformed(api: Client, way: str, raw: bytes, text: str) -> None:
    refused(api.post(f"/identities/idt_x/{way}", raw), *MALFORMED, text.format(f"{way.capitalize()}Request"))


def test_tokenizing_no_field_is_refused(api: Client) -> None:
    answer = api.post("/identities/idt_x/tokenize", {"fields": []})
    refused(answer, 400, "GEN_VALIDATION_ERROR", "at least one field must be specified")


UNREADABLE = "A token cannot be read: it is damaged, or another BLNK_TOKENIZATION_SECRET made it"


def test_without_a_key_nothing_is_tokenized_and_nothing_shown(
    api: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    alice = create(api)
    assert api.post(f"/identities/{alice}/tokenize/LastName").status == 200
    settings.BLNK_TOKENIZATION_SECRET = b""
    refused(api.post(f"/identities/{alice}/tokenize/FirstName"), 403, "IDT_TOKENIZATION_DISABLED", DISABLED)
    refused(
        api.post(f"/identities/{alice}/tokenize/LastName"),
        409,
        "IDT_FIELD_ALREADY_TOKENIZED",
        "field LastName is already tokenized",
    )
    refused(api.put(f"/identities/{alice}", {"last_name": "Smith"}), 403, "IDT_TOKENIZATION_DISABLED", DISABLED)
    refused(api.get(f"/identities/{alice}/detokenize/LastName"), 409, "GEN_CONFLICT", UNREADABLE)
    assert f"LastName of identity {alice} cannot be read (tokenization is disabled)" in caplog.text
    assert "FPT:" not in caplog.text
    assert not Disclosure.objects.exists()


@pytest.mark.parametrize("fields", [["FirstName", "FirstName"], ["FirstName", "firstName"], ["FirstName", "nope"]])
def test_of_several_fields_all_are_tokenized_or_none(api: Client, fields: list[str]) -> None:
    alice = create(api)
    assert api.post(f"/identities/{alice}/tokenize", {"fields": fields}).status in {400, 409}
    assert api.get(f"/identities/{alice}").body["first_name"] == "Alice"
    assert api.get(f"/identities/{alice}/tokenized-fields").body == {"tokenized_fields": []}


@pytest.mark.parametrize(
    ("meta_data", "shown"),
    [
        (None, ""),
        ({}, ". Metadata: {}"),
        ({"b": "x", "a": {"z": 1, "y": None}}, '. Metadata: {"a":{"y":null,"z":1},"b":"x"}'),
        ({"ü": "<&>\u2028"}, '. Metadata: {"ü":"\\u003c\\u0026\\u003e\\u2028"}'),
    ],
)
@pytest.mark.parametrize("field", ["FirstName", "nope"])
def test_what_is_not_tokenized_is_not_detokenized(api: Client, field: str, meta_data: Any, shown: str) -> None:
    alice = create(api, meta_data=meta_data)
    text = f"field {field} is not tokenized{shown}"
    refused(api.get(f"/identities/{alice}/detokenize/{field}"), 400, "IDT_FIELD_NOT_TOKENIZED", text)
    refused(api.post(f"/identities/{alice}/detokenize", {"fields": [field]}), 400, "IDT_FIELD_NOT_TOKENIZED", text)


def test_metadata_that_calls_a_plain_field_tokenized_opens_nothing(api: Client) -> None:
    alice = create(api, meta_data={"tokenized_fields": {"FirstName": True, "Foo": True, "LastName": "yes"}})
    assert api.get(f"/identities/{alice}/tokenized-fields").body == {"tokenized_fields": ["FirstName", "Foo"]}
    refused(api.get(f"/identities/{alice}/detokenize/FirstName"), 409, "GEN_CONFLICT", UNREADABLE)
    refused(api.get(f"/identities/{alice}/detokenize/foo"), 400, "IDT_FIELD_NOT_FOUND", "field foo not found")
    assert not Disclosure.objects.exists()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "EOF"),
        (
            b"{}",
            "Key: 'UpdateBalanceIdentity.IdentityId' Error:Field validation for 'IdentityId' failed "
            "on the 'required' tag",
        ),
        (
            b'{"identity_id":5}',
            "json: cannot unmarshal number into Go struct field UpdateBalanceIdentity.identity_id of type string",
        ),
    ],
)
def test_a_balance_is_linked_to_nobody_without_a_name(api: Client, raw: bytes, text: str) -> None:
    refused(api.put("/balances/bln_x/identity", raw), *MALFORMED, text)


def test_a_balance_and_an_identity_that_are_linked_must_exist(api: Client) -> None:
    alice, held = create(api), world.balance()
    refused(
        api.put(f"/balances/{held.pk}/identity", {"identity_id": "idt_x"}), 404, "BAL_NOT_FOUND", UNKNOWN, details=True
    )
    missing = "Balance with ID 'bln_x' not found"
    refused(api.put("/balances/bln_x/identity", {"identity_id": alice}), 404, "BAL_NOT_FOUND", missing, details=True)
    opened = api.post("/balances", {"ledger_id": held.ledger_id, "currency": "USD", "identity_id": "idt_x"})
    refused(opened, 400, "GEN_BAD_REQUEST", "Invalid identity ID", details=True)
    assert Balance.objects.count() == 1


# --- granted


def test_nothing_is_required_of_an_identity_and_every_key_comes_back_in_order(api: Client) -> None:
    answer = api.post("/identities", b"null")
    assert answer.status == 201
    body = answer.body
    assert tuple(body) == KEYS
    created_at, identity_id = body.pop("created_at"), body.pop("identity_id")
    assert identity_id.startswith("idt_")
    assert body.pop("dob") == "0001-01-01T00:00:00Z"
    assert body.pop("meta_data") is None
    assert set(body.values()) == {""}
    read = api.get(f"/identities/{identity_id}")
    assert (read.status, read.text) == (200, answer.text)
    assert created_at.endswith("Z")


@pytest.mark.parametrize("form", ["{}", "{{{}}}", "urn:uuid:{}", "URN:UUID:{}"])
def test_an_id_may_be_chosen_in_any_form_of_a_uuid(api: Client, form: str) -> None:
    chosen = f"idt_{form.format(str(uuid.uuid4()).upper())}"
    assert create(api, identity_id=chosen) == chosen
    assert create(api, identity_id=f"idt_{uuid.uuid4().hex}")


@pytest.mark.parametrize(
    ("sent", "echoed", "kept"),
    [
        ("1990-05-06T23:30:00-05:00", "1990-05-06T23:30:00-05:00", "1990-05-06T00:00:00Z"),
        ("1990-05-06T00:00:00.5+02:00", "1990-05-06T00:00:00.5+02:00", "1990-05-06T00:00:00Z"),
        ("0001-01-01T05:00:00Z", "0001-01-01T05:00:00Z", "0001-01-01T00:00:00Z"),
        (None, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_of_a_date_of_birth_the_day_is_kept_as_it_was_written(
    api: Client, sent: str | None, echoed: str, kept: str
) -> None:
    created = api.post("/identities", {"dob": sent}).body
    assert created["dob"] == echoed
    assert api.get(f"/identities/{created['identity_id']}").body["dob"] == kept


def test_a_change_writes_what_is_not_empty_and_replaces_metadata(api: Client) -> None:
    alice = create(api, city="Prague", meta_data={"a": 1})
    before = api.get(f"/identities/{alice}").body
    changed = api.put(
        f"/identities/{alice}",
        {"city": "", "last_name": "Smith", "dob": "1980-02-03T04:05:06Z", "created_at": "2000-01-01T00:00:00Z"},
    )
    assert (changed.status, changed.text) == (200, '{"message":"Identity updated successfully"}')
    after = api.get(f"/identities/{alice}").body
    assert after == before | {"last_name": "Smith", "dob": "1980-02-03T00:00:00Z"}
    assert api.put(f"/identities/{alice}", {"meta_data": {"b": 10**30}}).status == 200
    assert api.get(f"/identities/{alice}").body["meta_data"] == {"b": 10**30}
    assert api.put(f"/identities/{alice}", {"meta_data": {}}).status == 200
    assert api.get(f"/identities/{alice}").body["meta_data"] == {}


def test_metadata_of_an_identity_is_merged_and_comes_back_merged(api: Client) -> None:
    alice = create(api)
    assert api.post(f"/{alice}/metadata", {"meta_data": {"b": 1}}).text == '{"meta_data":{"b":1}}'
    assert api.post(f"/{alice}/metadata", {"meta_data": {"a": None}}).text == '{"meta_data":{"a":null,"b":1}}'
    assert api.get(f"/identities/{alice}").body["meta_data"] == {"a": None, "b": 1}


def test_an_identity_that_nothing_refers_to_is_deleted(api: Client) -> None:
    alice = create(api)
    deleted = api.send("DELETE", f"/identities/{alice}")
    assert (deleted.status, deleted.text) == (200, '{"message":"Identity deleted successfully"}')
    assert api.get(f"/identities/{alice}").status == 404


def test_all_identities_are_listed_newest_first_whatever_the_page(api: Client) -> None:
    assert (api.get("/identities").status, api.get("/identities").text) == (200, "null")
    created = [create(api, first_name=name) for name in ("a", "b", "c")]
    with CaptureQueriesContext(connection) as queries:
        listed = api.get("/identities?limit=x&offset=2").body
    assert [each["identity_id"] for each in listed] == created[::-1]
    assert len(queries) == 1


def test_a_balance_shows_whose_it_is(api: Client) -> None:
    alice, bob = create(api, identity_type="individual", meta_data={"k": 1}), create(api)
    opened = api.post("/balances", {"ledger_id": world.ledger().pk, "currency": "USD", "identity_id": alice})
    assert (opened.status, opened.body["identity_id"]) == (201, alice)
    path = f"/balances/{opened.body['balance_id']}"
    body = api.get(f"{path}?include=identity").body
    assert body["identity"] == api.get(f"/identities/{alice}").body
    assert tuple(body)[11:13] == ("identity", "created_at")
    linked = api.put(f"{path}/identity", {"identity_id": bob})
    assert (linked.status, linked.text) == (200, '{"message":"Balance identity updated successfully"}')
    after = api.get(f"{path}?include=identity").body
    assert (after["identity"]["identity_id"], after["version"]) == (bob, body["version"])
    assert "identity" not in api.get(path).body


def test_a_balance_of_nobody_is_shown_without_identity(api: Client) -> None:
    answer = api.get(f"/balances/{world.balance().pk}?include=identity")
    assert (answer.status, answer.body["identity_id"]) == (200, "")
    assert "identity" not in answer.body


# --- tokens


def test_a_tokenized_field_is_a_token_everywhere_and_comes_back_as_it_was(api: Client) -> None:
    alice = create(api, meta_data={"team": "ops"})
    path = f"/identities/{alice}"
    one = api.post(f"{path}/tokenize/firstName", b"whatever")
    assert (one.status, one.text) == (200, '{"message":"Field tokenized successfully"}')
    more = api.post(f"{path}/tokenize", {"fields": ["LastName", "street", "PostCode"]})
    assert (more.status, more.text) == (200, '{"message":"Fields tokenized successfully"}')
    again = api.post(f"{path}/tokenize/firstName")
    refused(again, 409, "IDT_FIELD_ALREADY_TOKENIZED", "field firstName is already tokenized")

    body = api.get(path).body
    assert body["first_name"].startswith("FPT:Awoay:")
    assert body["last_name"].startswith("FPT:F'Gmvt: Jx:")
    assert body["post_code"].startswith("FPT::")
    assert "Žižkov" not in api.get("/identities").text
    tokenized = ["FirstName", "LastName", "PostCode", "Street"]
    assert body["meta_data"] == {"team": "ops", "tokenized_fields": dict.fromkeys(tokenized, True)}
    assert sorted(api.get(f"{path}/tokenized-fields").body["tokenized_fields"]) == tokenized

    assert api.get(f"{path}/detokenize/street").text == '{"field":"street","value":"Žižkov 5"}'
    some = api.post(f"{path}/detokenize", {"fields": ["street", "LastName", "PostCode"]})
    assert some.text == '{"fields":{"LastName":"O\'Neil: Jr","PostCode":"","street":"Žižkov 5"}}'
    assert api.post(f"{path}/detokenize", {"fields": []}).body == {
        "fields": {"FirstName": "Alice", "LastName": "O'Neil: Jr", "PostCode": "", "Street": "Žižkov 5"}
    }
    assert api.get(path).body == body


def test_nothing_tokenized_is_nothing_to_detokenize(api: Client) -> None:
    alice = create(api)
    assert api.get(f"/identities/{alice}/tokenized-fields").text == '{"tokenized_fields":[]}'
    assert api.post(f"/identities/{alice}/detokenize", {"fields": []}).text == '{"fields":{}}'
    assert not Disclosure.objects.exists()


@pytest.mark.parametrize(
    ("value", "go_type"), [("x", "string"), (5, "float64"), ([1], "[]interface {}"), (True, "bool"), (None, "<nil>")]
)
def test_tokenized_fields_of_another_type_are_told_as_the_original_does(api: Client, value: Any, go_type: str) -> None:
    alice = create(api, meta_data={"tokenized_fields": value})
    assert api.get(f"/identities/{alice}/tokenized-fields").body == {
        "debug_info": {
            "has_metadata": True,
            "raw_metadata": {"tokenized_fields": value},
            "tokenized_field_type": go_type,
        },
        "tokenized_fields": [],
    }


def stored(identity_id: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT identity::text FROM identity WHERE identity_id = %s", [identity_id])
        return str(cursor.fetchone()[0])


def test_no_original_is_left_in_the_row_where_a_token_stands(api: Client) -> None:
    alice = create(api, first_name="Иван", email_address="ivan@example.com")
    fields = ["FirstName", "LastName", "Street", "EmailAddress"]
    assert api.post(f"/identities/{alice}/tokenize", {"fields": fields}).status == 200
    for original in ("Иван", "O'Neil", "Žižkov", "ivan@"):
        assert original not in stored(alice)


def test_what_is_new_in_a_tokenized_field_is_stored_as_a_token(api: Client) -> None:
    alice = create(api)
    path = f"/identities/{alice}"
    api.post(f"{path}/tokenize/FirstName")
    whole = api.get(path).body
    assert api.put(path, whole).status == 200  # sent back as it was read: the token is no new value
    assert api.get(path).body == whole
    assert api.put(path, {"first_name": "Boris", "last_name": "Plain"}).status == 200
    assert "Boris" not in stored(alice)
    assert api.get(path).body["last_name"] == "Plain"
    assert api.get(f"{path}/detokenize/FirstName").body["value"] == "Boris"


def test_new_metadata_does_not_make_originals_unreachable(api: Client) -> None:
    alice = create(api)
    path = f"/identities/{alice}"
    api.post(f"{path}/tokenize/FirstName")
    assert api.put(path, {"meta_data": {"a": 1}}).status == 200
    assert api.get(path).body["meta_data"] == {"a": 1, "tokenized_fields": {"FirstName": True}}
    assert api.get(f"{path}/detokenize/FirstName").body["value"] == "Alice"


@pytest.mark.parametrize("turn", [1, -1])
def test_who_takes_the_mark_away_stores_a_plain_value_again(api: Client, turn: int) -> None:
    alice = create(api)
    api.post(f"/identities/{alice}/tokenize/FirstName")
    body = {"first_name": "Boris", "meta_data": {"tokenized_fields": {}}}
    assert api.put(f"/identities/{alice}", dict(list(body.items())[::turn])).status == 200
    assert api.get(f"/identities/{alice}").body["first_name"] == "Boris"


def test_a_token_whose_mark_was_lost_is_marked_again_and_not_sealed_twice(api: Client) -> None:
    alice = create(api)
    path = f"/identities/{alice}"
    api.post(f"{path}/tokenize/FirstName")
    assert api.put(path, {"meta_data": {"tokenized_fields": {}}}).status == 200
    assert api.post(f"{path}/tokenize/FirstName").status == 200
    assert api.get(f"{path}/detokenize/FirstName").body["value"] == "Alice"


def test_who_saw_an_original_is_recorded_by_name_and_the_value_is_not(api: Client) -> None:
    alice = create(api)
    api.post(f"/identities/{alice}/tokenize", {"fields": ["FirstName", "Street"]})
    assert api.get(f"/identities/{alice}/detokenize/firstName").status == 200
    assert api.post(f"/identities/{alice}/detokenize", {"fields": []}).status == 200
    seen = Disclosure.objects.order_by("disclosed_at").values_list("identity_id", "field_names", "actor", "door")
    assert list(seen) == [
        (alice, "FirstName", "master key", "api"),
        (alice, "FirstName, Street", "master key", "api"),
    ]


def test_what_cannot_be_recorded_is_not_shown(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("the record cannot be written")

    alice = create(api)
    api.post(f"/identities/{alice}/tokenize/FirstName")
    monkeypatch.setattr("reconciliation.receivers.record_disclosure", broken)
    answer = api.get(f"/identities/{alice}/detokenize/FirstName")
    assert answer.status == 500
    assert "Alice" not in answer.text


@pytest.mark.django_db(transaction=True)
def test_of_many_who_tokenize_at_once_one_does_and_no_mark_is_lost(api: Client) -> None:
    alice = create(api)
    answers: list[int] = []

    def work(field: str) -> None:
        try:
            answers.append(Client().post(f"/identities/{alice}/tokenize/{field}").status)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[field]) for field in tokenizing.FIELDS for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == [200] * 7 + [409] * 14
    originals = api.post(f"/identities/{alice}/detokenize", {"fields": []}).body["fields"]
    assert originals == dict.fromkeys(tokenizing.FIELDS, "") | {
        "FirstName": "Alice",
        "LastName": "O'Neil: Jr",
        "Street": "Žižkov 5",
    }
