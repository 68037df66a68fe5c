"""The sidebar of the back-office: sections, each entry for those who may look at what it lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy

SECTIONS = {
    "Ledger": (
        ("Balances", "account_balance_wallet", "balances", "balance"),
        ("Transactions", "receipt_long", "balances", "transaction"),
        ("By hand", "payments", "instructions", "instruction"),
        ("Open holds", "lock_clock", "instructions", "openhold"),
        ("Plans of holds", "checklist", "instructions", "holdplan"),
        ("Queue", "hourglass_top", "queueing", "entry"),
        ("Ledgers", "menu_book", "balances", "ledger"),
        ("Imports", "upload_file", "uploads", "upload"),
        ("Fund lineage", "account_tree", "balances", "lineageoutbox"),
        ("Monitors", "notifications_active", "balances", "balancemonitor"),
        ("Identities", "badge", "balances", "identity"),
        ("Accounts", "account_balance", "balances", "account"),
    ),
    "Reconstruction": (
        ("Work", "assignment_ind", "reconciliation", "assignment"),
        ("Sweeps", "radar", "reconciliation", "sweep"),
        ("Findings", "search_insights", "reconciliation", "finding"),
        ("Incidents", "crisis_alert", "reconciliation", "incident"),
        ("Breaks", "broken_image", "reconciliation", "break"),
        ("Plans", "fact_check", "reconciliation", "plan"),
        ("Reconstructions", "history", "reconciliation", "reconstruction"),
    ),
    "Evidence": (
        ("Snapshots", "photo_camera", "balances", "balancesnapshot"),
        ("Edits of totals", "edit_note", "reconciliation", "balanceedit"),
        ("Edits of transactions", "edit_document", "reconciliation", "transactionedit"),
        ("Refusals", "block", "reconciliation", "refusal"),
        ("Audit log", "policy", "reconciliation", "auditentry"),
        ("Disclosures", "visibility", "reconciliation", "disclosure"),
        ("Notes", "sticky_note_2", "reconciliation", "note"),
        ("Acceptances", "thumb_up", "reconciliation", "acceptance"),
        ("Exports", "file_save", "reconciliation", "export"),
        ("Archived months", "inventory_2", "reconciliation", "archive"),
        ("Steps of plans", "footprint", "reconciliation", "step"),
        ("Chain of records", "link", "reconciliation", "seal"),
    ),
    "Watching": (
        ("Alerts", "notifications", "reconciliation", "alert"),
        ("Schedules", "event_repeat", "reconciliation", "schedule"),
        ("Alert deliveries", "outgoing_mail", "reconciliation", "alertdelivery"),
    ),
    "Webhooks": (
        ("Hooks", "webhook", "hooks", "hook"),
        ("Deliveries", "outbox", "hooks", "delivery"),
    ),
    "Administration": (
        ("API keys", "key", "balances", "apikey"),
        ("Users", "person", "auth", "user"),
        ("Groups", "group", "auth", "group"),
        ("Background jobs", "schedule", "procrastinate", "procrastinatejob"),
    ),
}
"""Title, icon, app and model of each list, by section."""


BADGES = {
    "plan": "reconciliation.backoffice.home.plans_badge",
    "assignment": "reconciliation.backoffice.home.work_badge",
}
"""What stands beside a list: what waits there for the user."""


def _may_view(app: str, model: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(f"{app}.view_{model}")


NAVIGATION: list[dict[str, Any]] = [
    {
        "title": section,
        "collapsible": section in ("Evidence", "Watching", "Webhooks", "Administration"),
        "items": [
            {
                "title": title,
                "icon": icon,
                "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
                "permission": _may_view(app, model),
                **({"badge": BADGES[model]} if model in BADGES else {}),
            }
            for title, icon, app, model in entries
        ],
    }
    for section, entries in SECTIONS.items()
]
"""The sections as unfold takes them."""

ACCOUNT: list[dict[str, Any]] = [
    {"title": "Second factor", "link": reverse_lazy("second_factor")},
    {"title": "Your sessions", "link": reverse_lazy("sessions")},
    {"title": "Change password", "link": reverse_lazy("admin:password_change")},
]
"""What the menu of a user's own name offers."""
