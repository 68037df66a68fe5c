"""The first page: whether the ledger is right, and what waits for the one who looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from balances.backoffice import url_of
from balances.ground import ExactEncoder
from balances.models import now
from balances.templatetags.money import amount
from reconciliation import overview
from reconciliation.backoffice.columns import Precisions, duration, in_currencies, title_of
from reconciliation.backoffice.finding_filters import WAITS
from reconciliation.backoffice.work import subject_link
from reconciliation.casework import kinds_seen_by
from reconciliation.explaining import NOT_YET
from reconciliation.models import Plan, PostingHour, Reconstruction
from reconciliation.overview import Age, Health, Verdict, Volume
from reconciliation.proving import standing
from reconciliation.sweeping import State, balances, status

SHOWN = 8
"""Plans, sweeps, corrections and currencies on the page; each list behind them has all."""
NAMED_CURRENCIES = 3
"""Currencies that the first line names."""
NO_BADGE = mark_safe('<i class="ledger-no-badge"></i>')
WORK, PLANS = "ledger_work", "ledger_plans"
"""Where a request keeps what was read for the page and for its sidebar."""
DAY_HOURS = 24
TONES = {Verdict.RIGHT: "healthy", Verdict.WRONG: "findings", Verdict.NOT_PROVED: "not-proved"}
"""The colours of a sweep's verdict, for those of the whole ledger."""
Panel = dict[str, Any]
Read = TypeVar("Read")


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the first page what this user may see, each part by the permission to see the list behind it."""
    at = now()
    hours = overview.posting_hours()
    volumes = overview.volumes(hours)
    precisions = {each.currency: each.precision for each in volumes}
    parts: dict[str, Callable[[], Panel]] = {
        "reconciliation.view_finding": lambda: _health(request, at, precisions),
        "reconciliation.view_plan": lambda: _plans(request, precisions),
        "reconciliation.view_sweep": _sweeps,
        "reconciliation.view_alert": lambda: {"stuck": list(_stuck(overview.stuck(at)))},
        "balances.view_transaction": lambda: _volume(hours, volumes),
        "reconciliation.view_reconstruction": lambda: _corrections(precisions),
    }
    context["title"] = "Home"
    context |= _yours(request)
    for permission, part in parts.items():
        if request.user.has_perm(permission):
            context |= part()
    return context


def _health(request: HttpRequest, at: datetime, precisions: Precisions) -> Panel:
    health = overview.health(at)
    mine, late = health.waiting_for(request.user.get_username(), at.date())
    trial_balance = health.proof.trial_balance if health.proof else []
    return {
        "health": health,
        "sentence": sentence(health, at, precisions),
        "besides": list(_besides(health, precisions)),
        "tone": TONES[health.verdict],
        "live": standing(),
        "assigned": {"mine": mine, "late": late},
        "ages": list(Age),
        "drifts": [
            {
                "title": title_of(each.cause) if each.cause else NOT_YET.rstrip("."),
                "cause": each.cause or WAITS,
                "balances": each.balances,
                "amounts": in_currencies(each.units, precisions),
                "ages": [(age, each.ages[age]) for age in Age],
            }
            for each in health.drifts
        ],
        "trial_balance": [
            {
                "currency": line["currency"] or "no currency",
                "agrees": line["stored"]["agrees"],
                "sides": [
                    _side(line["stored"][side], precisions.get(line["currency"])) for side in ("credit", "debit")
                ],
            }
            for line in trial_balance[:SHOWN]
        ],
        "more_currencies": len(trial_balance[SHOWN:]),
    }


def sentence(health: Health, at: datetime, precisions: Precisions) -> SafeString | str:
    """Return in one line whether everything adds up."""
    if health.drifted:
        many = "" if health.is_counted else "More than "
        wrong = f"{many}{balances(health.drifted)} {'is' if health.drifted == 1 else 'are'} wrong"
        amounts = in_currencies(health.units, precisions, NAMED_CURRENCIES)
        unexplained = f", {health.unexplained:,} unexplained" if health.unexplained else ", all explained"
        return format_html("{}, {}{}.", wrong, amounts, unexplained)
    if health.accepted.balances:
        return format_html("No finding is open; {}.", _accepted(health, precisions))
    if health.out_of_balance:
        return "No balance is known to be wrong, but credits and debits differ."
    if health.faulty:
        return f"{balances(health.faulty)} {'has a fault' if health.faulty == 1 else 'have faults'} other than drift."
    if health.verdict == Verdict.RIGHT and health.proof:
        return f"Everything adds up. Proved {_ago(at, health.proof.started_at)}."
    if health.not_judged:
        return f"Not proved: {balances(health.not_judged)} could not be judged."
    return "Not proved: no sweep of all balances has finished yet."


def _accepted(health: Health, precisions: Precisions) -> SafeString:
    """Return how many findings were accepted as they are, and the drift that stays with them."""
    count, units = health.accepted.balances, +health.accepted.units
    drift = format_html(", {}", in_currencies(units, precisions, NAMED_CURRENCIES)) if units else ""
    url = reverse("admin:reconciliation_finding_changelist", query={"state": State.ACCEPTED})
    verb = "is" if count == 1 else "are"
    return format_html('<a class="text-link" href="{}">{} {} accepted</a>{}', url, f"{count:,}", verb, drift)


def _besides(health: Health, precisions: Precisions) -> Iterator[SafeString | str]:
    """Yield what the first line leaves out."""
    if health.accepted.balances and health.drifted:
        yield format_html("Besides, {}.", _accepted(health, precisions))
    yield from health.out_of_balance
    if health.drifted and health.faulty:
        yield f"{balances(health.faulty)} with faults besides."
    if health.not_judged and (health.drifted or health.faulty):
        yield f"{balances(health.not_judged)} could not be judged."
    if health.proof and health.proof.started_at and health.verdict != Verdict.RIGHT:
        yield f"The last sweep of all balances began {health.proof.started_at:%Y-%m-%d %H:%M} UTC."
    if health.is_overdue:
        yield "The scheduled sweep did not finish in time, so this may be out of date."


def _side(units: Any, precision: int | None) -> SafeString | str:
    return amount(units, precision, "") if isinstance(units, int) else str(units)


def plans_badge(request: HttpRequest) -> str:
    """Return how many plans wait for this user, for the sidebar; nothing where none does."""
    waiting = len(_waiting(request))
    return str(waiting) if waiting else NO_BADGE


def work_badge(request: HttpRequest) -> str:
    """Return how much work and how many mentions are this user's, for the sidebar; nothing where there is none."""
    mine = _work(request)
    return str(mine.many + mine.mentioned) if mine.many + mine.mentioned else NO_BADGE


def _work(request: HttpRequest) -> overview.Work:
    kinds, who = kinds_seen_by(request.user), request.user.get_username()
    return _once(request, WORK, lambda: overview.work_of(who, kinds, now().date()))


def _once(request: HttpRequest, name: str, read: Callable[[], Read]) -> Read:
    if not hasattr(request, name):
        setattr(request, name, read())
    return getattr(request, name)  # type: ignore[no-any-return]


def _yours(request: HttpRequest) -> Panel:
    """Return what is assigned to this user, who mentions them, and what was asked by hand and waits for them."""
    yours = _work(request)
    may = request.user.has_perm("instructions.approve_instruction")
    by_hand = overview.by_hand_waiting(request.user.get_username()) if may else []
    return {
        "yours": yours if kinds_seen_by(request.user) else None,
        "work_links": [(subject_link(each), each) for each in yours.first[:SHOWN]],
        "mention_links": [(subject_link(each), each) for each in yours.mentions[:SHOWN]],
        "by_hand": [(url_of(each), each) for each in by_hand[:SHOWN]],
        "more_by_hand": len(by_hand[SHOWN:]),
    }


def _waiting(request: HttpRequest) -> list[Plan]:
    may = {f"may_{each}": request.user.has_perm(f"reconciliation.{each}_plan") for each in ("approve", "apply")}
    who = request.user.get_username()
    return _once(request, PLANS, lambda: overview.plans_waiting(who, **may)) if any(may.values()) else []


def _plans(request: HttpRequest, precisions: Precisions) -> Panel:
    waiting = _waiting(request)
    return {
        "plans": [(plan, in_currencies(plan.drift, precisions)) for plan in waiting[:SHOWN]],
        "more_plans": len(waiting[SHOWN:]),
    }


def _sweeps() -> Panel:
    return {
        "sweeps": [
            (sweep, progress, duration(timedelta(seconds=progress["seconds_left"])) if progress["seconds_left"] else "")
            for sweep in overview.open_sweeps()[:SHOWN]
            if (progress := status.progress(sweep))
        ]
    }


def _stuck(stuck: overview.Stuck) -> Iterator[tuple[str, str]]:
    """Yield what does not go on by itself, each with the list behind it."""
    if not stuck.has_worker:
        yield "No background worker is running: start manage.py work.", "admin:queueing_entry_changelist"
    if stuck.seconds_due:
        waited = duration(timedelta(seconds=stuck.seconds_due))
        yield f"The oldest queued entry has been due for {waited}.", "admin:queueing_entry_changelist"
    if stuck.failed_deliveries:
        tries = f"{stuck.failed_deliveries:,} attempts to deliver events failed within a day."
        yield tries, "admin:hooks_delivery_changelist"
    if stuck.failed_notifications:
        tries = f"{stuck.failed_notifications:,} attempts to notify people failed within a day."
        yield tries, "admin:reconciliation_alertdelivery_changelist"
    for alert in stuck.alerts:
        yield alert.title, "admin:reconciliation_alert_changelist"


def _volume(hours: list[PostingHour], month: list[Volume]) -> Panel:
    day = {each.currency: each for each in overview.volumes(hours[-DAY_HOURS:])}
    return {
        "hours": len(hours),
        "counted_at": max((hour.counted_at for hour in hours), default=None),
        "chart": _chart(hours),
        "volumes": [
            {
                "currency": each.currency or "no currency",
                "month": (each.postings, amount(each.units, each.precision, "")),
                "day": (day[each.currency].postings, amount(day[each.currency].units, each.precision, ""))
                if each.currency in day
                else None,
            }
            for each in month[:SHOWN]
        ],
    }


def _chart(hours: Iterable[PostingHour]) -> str:
    """Return postings by hour in the form that unfold's chart takes."""
    points = [(hour.hour, sum(each[0] for each in hour.figures.values())) for hour in hours]
    data = {
        "labels": [f"{hour:%b %d %H:00}" for hour, _ in points],
        "datasets": [
            {
                "label": "Postings",
                "data": [count for _, count in points],
                "backgroundColor": "var(--color-primary-600)",
                "displayYAxis": True,
                "maxTicksXLimit": 8,
            }
        ],
    }
    return ExactEncoder().encode(data)


def _corrections(precisions: Precisions) -> Panel:
    records = Reconstruction.objects.filter(dry_run=False).exclude(outcome=Reconstruction.Outcome.NO_DRIFT)
    return {
        "corrections": [
            (record, amount(record.difference.balance, precisions.get(record.currency), record.currency))
            for record in records[:SHOWN]
        ]
    }


def _ago(at: datetime, then: datetime | None) -> str:
    return "just now" if then is None or at - then < timedelta(seconds=1) else f"{duration(at - then)} ago"
