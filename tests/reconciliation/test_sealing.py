"""The chain over all records: every byte that is changed is named, in whatever column of whatever kind."""

from __future__ import annotations

import csv
import importlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from balances.models import TOTALS
from reconciliation.correcting.rebuilding import reconstruct, reconstruct_many
from reconciliation.models import (
    Acceptance,
    Archive,
    AuditEntry,
    Disclosure,
    Export,
    Reconstruction,
    Refusal,
    Seal,
    Step,
)
from reconciliation.records.sealing import FIELDS, MODELS, VERSION, seal
from tests import world

KINDS = {**MODELS, "seal": Seal}
COLUMNS = [(kind, field.attname) for kind, model in KINDS.items() for field in model._meta.concrete_fields]


def verify(*words: str) -> tuple[list[dict[str, Any]], str, int]:
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("verify_records", *words, "--format", "json", stdout=out, stderr=err)
    except SystemExit as ended:
        status = int(ended.code or 0)
    return json.loads(out.getvalue()), err.getvalue(), status


def head() -> str:
    return verify()[1].splitlines()[-1]


@contextmanager
def without_guards(kind: str) -> Iterator[None]:
    table = KINDS[kind]._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with world.unguarded(table):
        yield


def step(**fields: Any) -> Step:
    return Step(**({"plan_id": "pln_1", "kind": "proposed", "actor": "alice", "origin": "api", "note": "why"} | fields))


def refusal(**fields: Any) -> Refusal:
    given = {"actor": "mallory", "door": "admin", "what": "reconstruct", "why": "no permission", "address": "10.0.0.9"}
    return Refusal(**(given | fields))


def disclosure(**fields: Any) -> Disclosure:
    given = {"identity_id": "idt_1", "field_names": "FirstName", "actor": "alice", "door": "admin", "address": "::1"}
    return Disclosure(**(given | fields))


def acceptance(**fields: Any) -> Acceptance:
    given = {"kind": "accepted", "finding_id": "fnd_1", "balance_id": "bln_1", "indicator": "@alice", "currency": "USD"}
    drift = dict.fromkeys(TOTALS, 7)
    said = {"checks": ["lookalikes"], "actor": "alice", "origin": "admin", "reason": "written off"}
    return Acceptance(**(given | drift | said | fields))


def export(**fields: Any) -> Export:
    given = {"actor": "alice", "address": "::1", "listed": "balances.ledger", "filters": "q=x", "file_kind": "csv"}
    return Export(**(given | {"rows": 3} | fields))


def audit_entry(**fields: Any) -> AuditEntry:
    given = {"actor": "alice", "action": "changed", "subject": "user", "before": '{"a":"1"}', "after": '{"a":"2"}'}
    return AuditEntry(**(given | fields))


def archive(**fields: Any) -> Archive:
    given = {"month": "2026-01", "manifest": "a" * 64, "previous": "b" * 64, "legs": 2, "files": 1, "actor": "alice"}
    return Archive(**(given | {"origin": "command"} | fields))


@pytest.fixture
def records() -> dict[str, Any]:
    """Return one record of each kind in the middle of a chain of twenty-four."""
    middle: dict[str, Any] = {}
    for turn in range(3):
        alice = world.balance()
        world.post("@world", alice, 1000)
        world.drift(alice, credit=7, hold_debit=2)
        made: dict[str, Any] = {"reconstruction": reconstruct(alice.pk, world.request(reason="r", dry_run=turn == 1))}
        others = {"acceptance": acceptance(), "export": export(), "step": step(), "disclosure": disclosure()}
        named = {"archive": archive(month=f"2026-0{turn + 1}")}
        for kind, record in (others | named | {"audit": audit_entry(), "refusal": refusal()}).items():
            with transaction.atomic():
                record.save(force_insert=True)
                seal([record])
            made[kind] = record
        if turn == 1:
            middle = made
    return middle | {"seal": Seal.objects.get(record_id=middle["step"].pk)}


def test_records_are_sealed_only_in_the_transaction_that_writes_them(django_db_blocker: Any) -> None:
    class Outside:
        in_atomic_block = False

    from reconciliation.records import sealing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "connection", Outside())
        with pytest.raises(RuntimeError, match="in the transaction that writes them"):
            seal([step()])


@pytest.mark.django_db
def test_a_seal_covers_every_column_of_its_record() -> None:
    for kind, model in MODELS.items():
        assert set(FIELDS[VERSION][kind]) == {field.attname for field in model._meta.concrete_fields}


@pytest.mark.django_db
def test_an_untouched_chain_holds_and_says_its_head(records: dict[str, Any]) -> None:
    breaches, said, status = verify()
    assert (breaches, status) == ([], 0)
    assert "24 records are as they were sealed" in said
    last = Seal.objects.latest("sequence")
    assert said.splitlines()[-1] == last.hash
    assert verify("--head", Seal.objects.get(sequence=4).hash.upper())[2] == 0


CHANGED = {
    "TextField": "{0} = coalesce({0}, '') || 'x'",
    "BooleanField": "{0} = NOT {0}",
    "UTCDateTimeField": "{0} = {0} + interval '1 microsecond'",
    "BigIntegerField": "{0} = {0} + 1000",
    "IntegerField": "{0} = {0} + 1",
    "JSONField": "{0} = {0} || '[\"x\"]'",
    "MinorUnitsField": "{0} = {0} + 1",
}


@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "column"), COLUMNS, ids=lambda value: value)
def test_one_change_in_any_column_of_any_kind_is_named(records: dict[str, Any], kind: str, column: str) -> None:
    record = records[kind]
    change = CHANGED[type(KINDS[kind]._meta.get_field(column)).__name__].format(column)
    with without_guards(kind), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {KINDS[kind]._meta.db_table} SET {change} WHERE {KINDS[kind]._meta.pk.column} = %s", [record.pk]
        )
        assert cursor.rowcount == 1

    breaches, said, status = verify()

    assert status == 1, said
    if kind == "seal":
        assert {(each["what"], each["sequence"]) for each in breaches} & {
            ("seal_changed", record.sequence),
            ("gap", record.sequence),
        }
    else:
        what = "missing" if column == KINDS[kind]._meta.pk.column else "changed"
        sequence = Seal.objects.get(kind=kind, record_id=record.pk).sequence
        assert (what, kind, record.pk, sequence) in {
            (each["what"], each["kind"], each["record_id"], each["sequence"]) for each in breaches
        }
        assert len(breaches) == (2 if what == "missing" else 1)  # under its new key it is unsealed


@pytest.mark.django_db
@pytest.mark.parametrize("kind", MODELS)
def test_a_record_that_is_removed_is_named_and_so_is_one_that_was_slipped_in(
    records: dict[str, Any], kind: str
) -> None:
    record = records[kind]
    with without_guards(kind), connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {KINDS[kind]._meta.db_table} WHERE {KINDS[kind]._meta.pk.column} = %s", [record.pk]
        )
    assert [(each["what"], each["record_id"]) for each in verify()[0]] == [("missing", record.pk)]

    record.pk = "slipped_in"
    record.save(force_insert=True)
    breaches, _, status = verify()
    assert status == 1
    assert ("unsealed", kind, "slipped_in") in {(each["what"], each["kind"], each["record_id"]) for each in breaches}


@pytest.mark.django_db
def test_seals_removed_from_the_middle_are_a_gap_and_their_record_is_unsealed(records: dict[str, Any]) -> None:
    with without_guards("seal"):
        Seal.objects.filter(pk=5).delete()
    assert {(each["what"], each["sequence"]) for each in verify()[0]} == {
        ("gap", 5),
        ("seal_changed", 6),
        ("unsealed", None),
    }


@pytest.mark.django_db
def test_a_tail_that_was_cut_off_with_its_records_is_seen_by_the_head_that_was_kept(records: dict[str, Any]) -> None:
    kept = head()
    last = Seal.objects.latest("sequence")
    assert last.kind == "refusal"
    with without_guards("seal"), without_guards("refusal"):
        Refusal.objects.filter(pk=last.record_id).delete()
        last.delete()
    assert verify()[2] == 0  # the chain itself cannot know
    breaches, _, status = verify("--head", kept)
    assert ([each["what"] for each in breaches], status) == (["head_missing"], 1)


@pytest.mark.django_db
@pytest.mark.parametrize("kept", ["abc", "g" * 64, "0" * 65])
def test_a_head_that_is_no_hash_is_refused_in_one_sentence(kept: str) -> None:
    with pytest.raises(CommandError, match="64 hexadecimal digits"):
        verify("--head", kept)


@pytest.mark.django_db
def test_breaches_come_as_csv_and_as_a_table_too(records: dict[str, Any]) -> None:
    with without_guards("step"):
        Step.objects.filter(pk=records["step"].pk).update(note="\x1b[2Jnothing happened")
    for how in ("csv", "table"):
        out = io.StringIO()
        with pytest.raises(SystemExit):
            call_command("verify_records", "--format", how, stdout=out, stderr=io.StringIO())
        assert records["step"].pk in out.getvalue()
    assert [row["what"] for row in csv.DictReader(io.StringIO(run_csv()))] == ["changed"]


def run_csv() -> str:
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("verify_records", "--format", "csv", stdout=out, stderr=io.StringIO())
    return out.getvalue()


@pytest.mark.django_db
def test_records_from_before_the_chain_are_sealed_by_the_migration() -> None:
    alice = world.balance()
    world.post("@world", alice, 1000)
    for _ in range(3):
        reconstruct(alice.pk, world.request(dry_run=True))
    Step.objects.bulk_create([step(), step()])
    with without_guards("seal"):
        Seal.objects.all().delete()
    assert len(verify()[0]) == 5

    migration = importlib.import_module("reconciliation.migrations.0005_seal_what_is_there")
    migration.seal_what_is_there(apps, None)

    assert verify()[2] == 0
    assert list(Seal.objects.values_list("sequence", "kind")) == [
        *((number, "reconstruction") for number in (1, 2, 3)),
        *((number, "step") for number in (4, 5)),
    ]


@pytest.mark.django_db
def test_the_walk_takes_as_many_statements_a_portion_however_many_records_there_are(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Callable[..., Any]
) -> None:
    balances = [world.balance() for _ in range(30)]
    list(reconstruct_many([each.pk for each in balances], world.request(record_each=True)))
    # one portion of seals, its records, the empty portion after it, and one look for unsealed records a kind
    with django_assert_num_queries(3 + len(MODELS)):
        assert verify()[2] == 0


@pytest.mark.django_db(transaction=True)
def test_many_writers_at_once_make_one_chain_without_gaps() -> None:
    balances = [world.balance() for _ in range(6)]
    for each in balances:
        world.post("@world", each, 100)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                world.drift(balances[number], credit=1)
                reconstruct(balances[number].pk, world.request(dry_run=turn % 3 == 0))
        except BaseException as failure:
            failures.append(failure)
            raise
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert Seal.objects.count() == Reconstruction.objects.count() == 60
    assert verify()[2] == 0
