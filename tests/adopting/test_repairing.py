"""Mode repair: totals are corrected beside a Blnk that posts, and nothing else of Blnk's is written."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import ProgrammingError
from django.urls import reverse

from balances.ground import Mode, adoption
from balances.ground.exceptions import Deadlocked, TooMuchMetadata
from balances.models import TOTALS, Balance, Ledger, Transaction
from ledgerproj.adopting import AdoptionRefused
from reconciliation.correcting import Choice, Proposal, Request, apply, beside, propose, reconstruct, reconstruct_many
from reconciliation.correcting.beside import DriftMoves, DriftsAgain
from reconciliation.correcting.planning import NothingToCorrect
from reconciliation.measuring import measure
from reconciliation.models import Origin, Plan, PlanItem, Reconstruction
from tests.adopting.conftest import Adopt
from tests.adopting.test_observing import WRITES, contents, signed_in
from tests.client import Client

META = '{"a": 1}'
FREE = "'meta_data' - 'version' - " + " - ".join(f"'{total}'" for total in TOTALS)
REST = f"SELECT md5(string_agg((to_jsonb(b) - {FREE})::text, '|' ORDER BY id)) FROM blnk.balances AS b".encode()
"""A digest of all that a correction may not write of balances."""
REQUEST = Request(actor="alice", origin=Origin.COMMAND, reason="planted")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "SECONDS_APART", 0.05)


@pytest.fixture
def repaired(blnk: Adopt) -> Callable[[str], psycopg.Connection[Any]]:
    def take(generation: str = "0.15") -> psycopg.Connection[Any]:
        server = blnk(generation)
        call_command("adopt", "--yes", "--mode", "repair", verbosity=0)
        return server

    return take


def right(server: psycopg.Connection[Any], count: int = 1) -> list[str]:
    ids = [each for (each,) in server.execute(
        "SELECT balance_id FROM blnk.balances WHERE credit_balance > 0 ORDER BY balance_id LIMIT 60"
    ).fetchall()]  # fmt: skip
    from reconciliation.correcting.incomplete import _of_adopted

    settled_twice = _of_adopted(ids)
    return [each.balance_id for each in measure(ids) if not each.has_drift and each.balance_id not in settled_twice][
        :count
    ]


def plant(server: psycopg.Connection[Any], balance_id: str, units: int = 4_321) -> None:
    server.execute(
        "UPDATE blnk.balances SET credit_balance = credit_balance + %s, balance = balance + %s WHERE balance_id = %s",
        [units, units, balance_id],
    )


def test_totals_are_corrected_and_nothing_but_them_version_and_metadata_changes(
    repaired: Callable[[str], psycopg.Connection[Any]],
) -> None:
    server = repaired("0.15")
    found = adoption()
    assert found is not None
    assert found.mode is Mode.REPAIR
    first, second, third = right(server, 3)
    free = "'meta_data' - 'version' - " + " - ".join(f"'{total}'" for total in TOTALS)
    rest = f"SELECT md5(string_agg((to_jsonb(b) - {free})::text, '|' ORDER BY id)) FROM blnk.balances AS b".encode()
    before, tables = server.execute(rest).fetchone(), [each for each in contents(server) if each[0] != "balances"]
    for balance_id in (first, second, third):
        plant(server, balance_id)
    assert reconstruct(first, REQUEST).outcome == Reconstruction.Outcome.CORRECTED
    api = Client()
    answer = api.post(f"/{second}/metadata", {"meta_data": {"BLNK_RUN_RECONCILIATION": "SOURCE"}})
    assert answer.status == 200, answer.text
    settings_free = Proposal(actor="alice", origin=Origin.COMMAND, reason="planted")
    plan = propose(Choice(balance_ids=(third,)), settings_free)
    if plan.state == Plan.State.PROPOSED:
        from reconciliation.correcting import approve

        plan = approve(plan.pk, "bob", Origin.COMMAND)
    apply(plan.pk, "alice", Origin.COMMAND)
    assert [item.outcome for item in PlanItem.objects.filter(plan=plan)] == [PlanItem.Outcome.APPLIED]
    assert not any(each.has_drift for each in measure([first, second, third]))
    assert server.execute(rest).fetchone() == before
    assert [each for each in contents(server) if each[0] != "balances"] == tables


@pytest.mark.parametrize("generation", ["0.10.1", "0.14.5"])
def test_no_door_corrects_by_mistake_what_an_old_blnk_left_undone(
    generation: str, repaired: Callable[[str], psycopg.Connection[Any]]
) -> None:
    server = repaired(generation)
    before = contents(server)
    ids = list(Balance.objects.order_by("balance_id").values_list("balance_id", flat=True))
    results = list(reconstruct_many(ids, REQUEST))
    drifted = [each.measurement.balance_id for each in results if each.measurement.has_drift]
    assert len(drifted) == {"0.10.1": 214, "0.14.5": 36}[generation]
    assert all(each.refused for each in results if each.measurement.has_drift)
    answer = Client().post(f"/balances/{drifted[0]}/reconstructions", {"reason": "x"})
    assert answer.status == 409
    assert "settle" in answer.text
    with pytest.raises(NothingToCorrect):
        propose(Choice(balance_ids=tuple(drifted)), Proposal(actor="alice", origin=Origin.COMMAND, reason="x"))
    assert contents(server) == before


def test_everything_else_is_refused_by_the_program_and_by_the_database(
    repaired: Callable[[str], psycopg.Connection[Any]],
) -> None:
    server = repaired("0.15")
    before = contents(server)
    allowed = (
        "/bln_1/metadata",
        "/balances/bln_1/reconstructions",
        "/plans",
        "/plans/pln_1/apply",
        "/reconstructions/",
    )
    for method, path, body in WRITES:
        if not path.startswith(allowed):
            answer = Client().send(method, path, body)
            assert (answer.status, "mode repair" in answer.text) == (409, True), path
    for write in (
        lambda: Ledger.objects.create(name="x"),
        lambda: Transaction.objects.update(meta_data={}),
        lambda: Balance.objects.all()._raw_delete("default"),
    ):
        with pytest.raises(ProgrammingError, match="does not allow it"):
            write()
    assert contents(server) == before


def test_metadata_of_a_balance_takes_nothing_but_the_flag(repaired: Callable[[str], psycopg.Connection[Any]]) -> None:
    server = repaired("0.15")
    (balance_id,) = right(server)
    server.execute(f"UPDATE blnk.balances SET meta_data = '{META}' WHERE balance_id = %s".encode(), [balance_id])
    before, browser = contents(server), signed_in()
    for given in ({"note": "x"}, {}, {"BLNK_RUN_RECONCILIATION": "SOURCE", "note": "x"}, {"a": 2}):
        answer = Client().post(f"/{balance_id}/metadata", {"meta_data": given})
        assert (answer.status, "mode repair" in answer.text) == (409, True), given
    page = reverse("admin:balances_balance_change", args=[balance_id])
    seen = browser.get(page).context["adminform"].form.initial["seen"]
    for text in ('{"a": 1, "note": "x"}', "", '{"BLNK_RUN_RECONCILIATION": "SOURCE"}'):
        answered = browser.post(page, {"meta_data": text, "seen": seen})
        assert answered.status_code == 200
        assert "nothing else of Blnk" in answered.content.decode()
    assert contents(server) == before


def test_every_door_of_a_correction_writes_six_totals_version_and_metadata_alone(
    repaired: Callable[[str], psycopg.Connection[Any]], settings: Any
) -> None:
    settings.LEDGER_FOUR_EYES_DIRECT = False
    server = repaired("0.15")
    rest, tables = server.execute(REST).fetchone(), [each for each in contents(server) if each[0] != "balances"]
    by_rest, by_action, by_flag, by_command = ids = right(server, 4)
    before = {each.balance_id: each.stored for each in measure(ids)}
    for balance_id in ids:
        plant(server, balance_id)
    answer = Client().post(f"/balances/{by_rest}/reconstructions", {"reason": "x"})
    assert answer.status in (200, 201), answer.text
    browser = signed_in()
    chosen = {
        "action": "reconstruct_balances",
        "_selected_action": by_action,
        "confirm": "1",
        "post": "yes",
        "reason": "planted",
    }
    browser.post(reverse("admin:balances_balance_changelist"), chosen)
    page = reverse("admin:balances_balance_change", args=[by_flag])
    seen = browser.get(page).context["adminform"].form.initial["seen"]
    wanted = (Balance.objects.get(pk=by_flag).meta_data or {}) | {"BLNK_RUN_RECONCILIATION": "SOURCE"}
    browser.post(page, {"meta_data": json.dumps(wanted), "seen": seen})
    call_command("reconstruct", by_command, reason="planted", verbosity=0, stderr=StringIO(), stdout=StringIO())
    assert {each.balance_id: each.stored for each in measure(ids)} == before
    assert server.execute(REST).fetchone() == rest
    assert [each for each in contents(server) if each[0] != "balances"] == tables


def test_the_preview_says_what_a_correction_means_for_a_blnk_that_posts(
    repaired: Callable[[str], psycopg.Connection[Any]],
) -> None:
    server = repaired("0.15")
    (balance_id,) = right(server)
    plant(server, balance_id)
    chosen = {"action": "preview_reconstruction", "_selected_action": balance_id}
    page = signed_in().post(reverse("admin:balances_balance_changelist"), chosen).content.decode()
    assert "may be answered 409" in page
    assert f"mode {Mode.REPAIR}" in page


def test_a_role_that_may_only_read_cannot_be_set_to_repair(blnk: Adopt) -> None:
    from django.db import connection

    server = blnk("0.15", adopt=False)
    server.execute("DROP ROLE IF EXISTS blnk_reader; CREATE ROLE blnk_reader")
    server.execute(
        "GRANT USAGE ON SCHEMA blnk TO blnk_reader; GRANT SELECT ON ALL TABLES IN SCHEMA blnk TO blnk_reader; "
        "GRANT UPDATE (version) ON blnk.balances TO blnk_reader; CREATE SCHEMA backoffice AUTHORIZATION blnk_reader"
    )
    connection.settings_dict["OPTIONS"]["options"] = "-c role=blnk_reader"
    try:
        with pytest.raises(AdoptionRefused, match="mode repair needs UPDATE on the six totals, version and meta_data"):
            call_command("adopt", "--yes", "--mode", "repair", verbosity=0)
        call_command("adopt", "--yes", verbosity=0)
        (target,) = right(server)
        plant(server, target)
        assert measure([target])[0].has_drift
        call_command("adopt", "--remove", "--yes", verbosity=0)
    finally:
        del connection.settings_dict["OPTIONS"]["options"]
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
        server.execute("DROP OWNED BY blnk_reader CASCADE; DROP ROLE blnk_reader")


def test_drift_that_changes_between_two_measurements_is_left(
    repaired: Callable[[str], psycopg.Connection[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = repaired("0.15")
    balance_id, steady = right(server, 2)
    plant(server, balance_id)
    plant(server, steady)
    monkeypatch.setattr(beside.time, "sleep", lambda seconds: plant(server, balance_id, 1))
    with pytest.raises(DriftMoves, match="two measurements some seconds apart differ"):
        reconstruct(balance_id, REQUEST)
    results = {each.measurement.balance_id: each for each in reconstruct_many([balance_id, steady], REQUEST)}
    assert results[balance_id].refused
    assert results[balance_id].why_not == beside.MOVES
    assert results[steady].outcome == Reconstruction.Outcome.CORRECTED


def test_what_is_off_again_after_the_commit_is_said(
    repaired: Callable[[str], psycopg.Connection[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = repaired("0.15")
    (balance_id,) = right(server)
    plant(server, balance_id)
    looked = beside.off_again

    def meanwhile(balance_ids: list[str]) -> dict[str, str]:
        plant(server, balance_id, 7)
        return looked(balance_ids)

    monkeypatch.setattr(beside, "off_again", meanwhile)
    with pytest.raises(DriftsAgain, match=r"off again right afterwards: credit \+7"):
        reconstruct(balance_id, REQUEST)
    assert Reconstruction.objects.get(balance_id=balance_id).outcome == Reconstruction.Outcome.CORRECTED


def test_one_balance_a_transaction_and_a_deadlock_is_tried_again(
    repaired: Callable[[str], psycopg.Connection[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = repaired("0.15")
    ids = right(server, 4)
    for balance_id in ids:
        plant(server, balance_id)
    sizes: list[int] = []
    from reconciliation.correcting import rebuilding

    restate = rebuilding.restate_balances

    def counted(corrections: list[Any]) -> None:
        sizes.append(len(corrections))
        if len(sizes) == 2:
            raise Deadlocked
        restate(corrections)

    monkeypatch.setattr(rebuilding, "restate_balances", counted)
    done = list(reconstruct_many(ids, REQUEST))
    assert {each.outcome for each in done} == {"corrected"}
    assert sizes == [1, 1, 1, 1, 1]


def test_metadata_without_room_for_the_result_is_corrected_without_and_more_is_refused(
    repaired: Callable[[str], psycopg.Connection[Any]],
) -> None:
    """Blnk's trigger sends each changed balance as a notification, which holds 8,000 bytes."""
    server = repaired("0.15")
    tight, full = right(server, 2)
    for balance_id in (tight, full):
        plant(server, balance_id)
    fill = "UPDATE blnk.balances SET meta_data = jsonb_build_object('a', repeat('x', %s)) WHERE balance_id = %s"
    size = (
        "SELECT length(json_build_object('table', 'balances', 'data', row_to_json(b))::text) FROM blnk.balances AS b "
    )
    server.execute(fill, [1, tight])
    row = server.execute(f"{size} WHERE balance_id = %s".encode(), [tight]).fetchone()
    assert row is not None
    server.execute(fill, [7_900 - row[0], tight])
    assert reconstruct(tight, REQUEST).outcome == Reconstruction.Outcome.CORRECTED
    assert list(Balance.objects.get(pk=tight).meta_data or {}) == ["a"]
    server.execute("ALTER TABLE blnk.balances DISABLE TRIGGER balance_after_update")
    server.execute(fill, [7_990, full])
    server.execute("ALTER TABLE blnk.balances ENABLE TRIGGER balance_after_update")
    with pytest.raises(TooMuchMetadata, match="near 8,000 bytes"):
        reconstruct(full, REQUEST)


class Poster(threading.Thread):
    """Posts as Blnk does: absolute totals, where the version is still the one that it read, then the row."""

    def __init__(self, dsn: str, ids: list[str], seconds: float) -> None:
        super().__init__()
        self.dsn, self.ids, self.until = dsn, ids, time.monotonic() + seconds
        self.posted = self.conflicts = 0
        self.errors: list[str] = []

    def run(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as server:
            number = 0
            while time.monotonic() < self.until:
                number += 1
                try:
                    self.post(server, number)
                except psycopg.Error as error:
                    self.errors.append(str(error))

    def post(self, server: psycopg.Connection[Any], number: int) -> None:
        source, destination = self.ids[number % len(self.ids)], self.ids[(number + 1) % len(self.ids)]
        read = "SELECT balance, credit_balance, debit_balance, version FROM blnk.balances WHERE balance_id = %s"
        ends = {end: server.execute(read, [end]).fetchone() for end in (source, destination)}
        time.sleep(0.002)
        with server.transaction(force_rollback=False) as block:
            for end, credit, debit in sorted(((source, 0, 5), (destination, 5, 0))):
                row = ends[end]
                assert row is not None
                moved = server.execute(
                    "UPDATE blnk.balances SET balance = %s, credit_balance = %s, debit_balance = %s, "
                    "version = version + 1 WHERE balance_id = %s AND version = %s",
                    [row[0] + credit - debit, row[1] + credit, row[2] + debit, end, row[3]],
                ).rowcount
                if not moved:
                    self.conflicts += 1
                    raise psycopg.Rollback(block)
            server.execute(
                "INSERT INTO blnk.transactions (transaction_id, source, destination, reference, amount, "
                "precise_amount, precision, currency, status, parent_transaction) "
                "SELECT 'txn_' || gen_random_uuid(), %s, %s, gen_random_uuid()::text, 0.05, 5, 100, currency, "
                "'APPLIED', '' FROM blnk.balances WHERE balance_id = %s",
                [source, destination, source],
            )
            self.posted += 1


def test_beside_one_that_posts_all_drift_is_corrected_and_nothing_lost(
    repaired: Callable[[str], psycopg.Connection[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = repaired("0.15")
    monkeypatch.setattr(beside, "SECONDS_APART", 0.5)
    currency, ids = "", list[str]()
    for balance in Balance.objects.filter(pk__in=right(server, 60)):
        currency = currency or balance.currency
        ids += [balance.pk] * (balance.currency == currency and len(ids) < 5)
    assert len(ids) == 5
    dsn = psycopg.conninfo.make_conninfo("", **server.info.get_parameters())
    rows = Transaction.objects.count()
    posters = [Poster(dsn, ids, 6.0), Poster(dsn, ids[::-1], 6.0)]
    for poster in posters:
        poster.start()
    corrected = 0
    while any(poster.is_alive() for poster in posters):
        for balance_id in ids[:2]:
            plant(server, balance_id, 1_000)
        time.sleep(0.1)
        corrected += sum(each.outcome == "corrected" for each in reconstruct_many(ids, REQUEST))
    for poster in posters:
        poster.join()
        assert poster.errors == []
    list(reconstruct_many(ids, REQUEST))
    assert not any(each.has_drift for each in measure(ids))
    assert corrected > 0
    assert Transaction.objects.count() - rows == sum(poster.posted for poster in posters) > 0
