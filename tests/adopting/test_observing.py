"""Mode observe: all that reads works on every generation, and nothing of Blnk's is ever written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import bcrypt
import psycopg
import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import ProgrammingError
from django.test import Client as Browser
from django.urls import reverse
from procrastinate.contrib.django import app

import ledgerproj.urls  # noqa: F401 - finds the admin pages
from balances.ground import Mode, ModeForbids
from balances.history.snapshots import take_snapshots
from balances.lineage.tracing import trace
from balances.models import Balance, BalanceSnapshot, Ledger, Transaction
from balances.models.lineage import LineageOutbox
from balances.models.people import Account, Identity
from balances.queueing import draining, recovery
from ledgerproj.beginning import require_tables
from ledgerproj.lanes import POSTINGS, lanes, open_lanes
from reconciliation.correcting import Choice, Proposal, Request, propose, reconstruct
from reconciliation.explaining import explain_many
from reconciliation.measuring import Scope
from reconciliation.models import Finding, Origin, Sweep
from reconciliation.sweeping import create_sweep, run_sweep
from tests.adopting.blnk_database import GENERATIONS
from tests.adopting.conftest import Adopt
from tests.client import Client
from tests.world import POSTING

TABLES = ("accounts", "api_keys", "balances", "balance_monitors", "balance_snapshots", "identity", "ledgers")
LATER = ("lineage_mappings", "lineage_outbox")


def contents(server: psycopg.Connection[Any]) -> list[Any]:
    """Return a digest of each of Blnk's tables."""
    names = [name for (name,) in server.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'blnk'::regnamespace AND relkind = 'r' ORDER BY 1"
    )]  # fmt: skip
    return [
        (
            name,
            server.execute(
                f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM blnk.{name} AS t".encode()
            ).fetchone(),
        )
        for name in names
    ]


def swept(**how: Any) -> Sweep:
    sweep = create_sweep(Scope(everything=True), actor="alice", origin=Origin.COMMAND, **how)
    return run_sweep(sweep.sweep_id)


def signed_in() -> Browser:
    user = User.objects.create_user("root", password="a long password", is_staff=True, is_superuser=True)
    browser = Browser()
    browser.force_login(user)
    return browser


def reads() -> Iterator[str]:
    balance, row = Balance.objects.exclude(indicator=None)[0], Transaction.objects.all()[0]
    holder, account = Identity.objects.all()[0], Account.objects.all()[0]
    yield from ("/", "/health", "/ledgers", "/balances", "/transactions", "/identities", "/accounts")
    yield from ("/balance-monitors", "/hooks", "/alerts", "/schedules", "/sweeps", "/incidents", "/plans")
    yield from (f"/ledgers/{Ledger.objects.all()[0].pk}", f"/identities/{holder.pk}", f"/accounts/{account.pk}")
    yield from (f"/balances/{balance.pk}{rest}" for rest in ("", "?from_source=true", "?with_queued=true"))
    yield from (f"/balances/{each.pk}/lineage" for each in Balance.objects.filter(track_fund_lineage=True)[:3])
    yield from (f"/balances/{balance.pk}/explanation", f"/balances/{balance.pk}/reconstructions")
    yield f"/balances/{balance.pk}/at?timestamp=2030-01-01T00:00:00Z"
    yield f"/balances/indicator/{balance.indicator}/currency/{balance.currency}"
    yield from (
        f"/transactions/{row.pk}",
        f"/transactions/{row.pk}/lineage",
        f"/transactions/reference/{row.reference}",
    )
    yield "/api-keys?owner=x"
    sweep = Sweep.objects.latest("requested_at")
    yield from (f"/sweeps/{sweep.pk}", f"/sweeps/{sweep.pk}/findings?limit=100")


def pages() -> Iterator[str]:
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        yield from (reverse(f"{name}_change", args=[row.pk]) for row in model._default_manager.all()[:3])
    yield from (reverse("admin:balances_balance_change", args=[each.balance_id]) for each in Finding.objects.all()[:10])


@pytest.mark.parametrize("generation", GENERATIONS)
def test_everything_that_reads_works_and_changes_nothing(generation: str, blnk: Adopt) -> None:
    server = blnk(generation)
    before = contents(server)
    sweep = swept(deep=True)
    assert sweep.state == Sweep.State.FINISHED
    assert sweep.measured == Balance.objects.count()
    list(explain_many(Balance.objects.values_list("balance_id", flat=True)))
    api, browser = Client(), signed_in()
    unwell = {path: answer.text for path in reads() if (answer := api.get(path)).status != 200}
    assert unwell == {}
    badge = f"mode {Mode.OBSERVE}"
    for page in pages():
        answer = browser.get(page, follow=True)  # an open hold is shown as the transaction that it is
        assert answer.status_code == 200, page
        assert badge in answer.content.decode(), page
    assert contents(server) == before


WRITES = (
    ("POST", "/ledgers", {"name": "x"}),
    ("POST", "/balances", {"ledger_id": "general_ledger_id", "currency": "USD"}),
    ("POST", "/transactions", POSTING),
    ("POST", "/transactions", POSTING | {"skip_queue": False}),
    ("POST", "/transactions/bulk", {"transactions": [POSTING]}),
    ("POST", "/transactions/recover", {}),
    ("PUT", "/transactions/inflight/txn_1", {"status": "commit"}),
    ("POST", "/transactions/inflight/bulk/void", {"transaction_ids": ["txn_1"]}),
    ("POST", "/refund-transaction/txn_1", {}),
    ("POST", "/identities", {"first_name": "x"}),
    ("POST", "/accounts", {}),
    ("POST", "/api-keys", {"name": "x"}),
    ("POST", "/balance-monitors", {}),
    ("POST", "/hooks", {}),
    ("POST", "/general_ledger_id/metadata", {"meta_data": {"a": 1}}),
    ("POST", "/bln_1/metadata", {"meta_data": {"BLNK_RUN_RECONCILIATION": "SOURCE"}}),
    ("POST", "/balances/bln_1/reconstructions", {}),
    ("POST", "/plans", {"balance_ids": ["bln_1"]}),
    ("POST", "/plans/pln_1/apply", {}),
    ("POST", "/reconstructions/rec_1/undo", {}),
)


def test_a_write_is_refused_in_the_words_of_the_contract_at_every_door(blnk: Adopt) -> None:
    server = blnk("0.15")
    before = contents(server)
    api = Client()
    for method, path, body in WRITES:
        answer = api.send(method, path, body)
        assert answer.status == 409, (path, answer.text)
        assert answer.body["error_detail"]["code"] == "GEN_CONFLICT"
        assert "adopted in mode observe: Blnk's tables are read, and nothing is ever written" in answer.body["error"]
    balance = Balance.objects.all()[0]
    for refused in (
        lambda: reconstruct(balance.pk, Request(actor="alice", origin=Origin.COMMAND)),
        lambda: propose(Choice(balance_ids=(balance.pk,)), Proposal(actor="alice", origin=Origin.COMMAND, reason="x")),
        lambda: draining.drain(),
        lambda: recovery.recover(timedelta(minutes=2)),
        lambda: trace(),
    ):
        with pytest.raises(ModeForbids):
            refused()
    with pytest.raises(CommandError, match="adopted in mode observe"):
        require_tables("import_ledger")
    assert contents(server) == before


def test_what_no_door_has_refused_the_database_refuses_whatever_the_role_may(blnk: Adopt) -> None:
    server = blnk("0.15")
    before = contents(server)
    for write in (
        lambda: Balance.objects.update(version=7),
        lambda: Ledger.objects.create(name="x"),
        lambda: Transaction.objects.all()[:1].get().delete(),
        lambda: LineageOutbox.objects.update(attempts=9),
        lambda: BalanceSnapshot.objects.update(meta_data={}),
    ):
        with pytest.raises(ProgrammingError, match="the mode in which this database was adopted does not allow it"):
            write()
    assert contents(server) == before


def test_previews_and_sweeps_are_no_writes(blnk: Adopt) -> None:
    blnk("0.15")
    api, balance = Client(), Balance.objects.exclude(indicator=None)[0]
    preview = api.post(f"/balances/{balance.pk}/reconstructions", {"dry_run": True})
    assert (preview.status, preview.body["outcome"]) == (200, "no drift") or preview.status == 200
    body = POSTING | {"dry_run": True, "destination": balance.indicator, "currency": balance.currency}
    assert api.post("/transactions", body).status == 200
    assert api.post("/balances/filter", {"filters": []}).status == 200
    assert api.post("/sweeps", {"everything": True}).status == 201


def test_no_page_offers_what_the_mode_forbids(blnk: Adopt) -> None:
    blnk("0.15")
    balance, browser = Balance.objects.all()[0], signed_in()
    page = browser.get(reverse("admin:balances_balance_change", args=[balance.pk])).content.decode()
    assert "Preview reconstruction" in page
    assert ">Reconstruct<" not in page.replace("\n", "").replace(" ", "")
    assert 'name="meta_data"' not in page
    assert browser.get(reverse("admin:balances_ledger_add")).status_code == 403
    assert browser.get(reverse("admin:uploads_upload_add")).status_code == 403


def test_a_worker_leaves_their_queue_alone(blnk: Adopt) -> None:
    blnk("0.15")
    how = {"postings": 2, "webhooks": 2, "others": 2}
    served = {queue for lane in open_lanes(lanes(app, None, **how)) for queue in lane.queues}
    assert POSTINGS not in served
    assert len(served) > 3
    with pytest.raises(CommandError, match="the mode of the adopted database forbids it"):
        call_command("work", "--once", "--queue", POSTINGS, verbosity=0)


@pytest.mark.parametrize(("generation", "mode"), [("0.14.5", "observe"), ("0.14.5", "repair"), ("0.15", "repair")])
def test_all_jobs_that_run_change_nothing_of_theirs(generation: str, mode: str, blnk: Adopt) -> None:
    server = blnk(generation, mode=mode)
    server.execute("UPDATE blnk.lineage_outbox SET status = 'pending', attempts = 0")
    assert Transaction.objects.filter(status="QUEUED").exists()
    before = contents(server)
    call_command("work", "--once", verbosity=0)
    assert contents(server) == before


def test_snapshots_go_into_a_table_of_ours_and_are_shown_beside_theirs(blnk: Adopt) -> None:
    server = blnk("0.15")
    theirs = BalanceSnapshot.objects.count()
    before = contents(server)
    assert take_snapshots() == Balance.objects.count()
    assert take_snapshots() == 0
    assert contents(server) == before
    assert BalanceSnapshot.objects.count() == theirs + Balance.objects.count()
    assert server.execute("SELECT min(id) FROM backoffice.own_snapshots").fetchone() == (1_000_000_000_000,)


def test_the_last_use_of_a_key_is_not_noted(blnk: Adopt) -> None:
    server = blnk("0.15")
    key, old = f"{'k' * 43}=", datetime(2020, 1, 1, tzinfo=UTC)
    hashed = bcrypt.hashpw(key.encode(), bcrypt.gensalt(4)).decode()
    server.execute(
        "UPDATE blnk.api_keys SET key = %s, key_prefix = %s, last_used_at = %s, is_revoked = false, "
        "expires_at = '2999-01-01', scopes = '{*:*}' WHERE id = (SELECT min(id) FROM blnk.api_keys)",
        [hashed, key[:16], old],
    )
    answer = Client(key).get("/ledgers")
    assert answer.status == 200, answer.text
    assert server.execute(
        "SELECT last_used_at FROM blnk.api_keys WHERE id = (SELECT min(id) FROM blnk.api_keys)"
    ).fetchone() == (old,)
