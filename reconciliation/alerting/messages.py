"""The content of notifications, fixed when they are deferred."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import reverse

from balances.ground import dumps
from reconciliation.models import Alert, AlertDelivery

WEBHOOK_EVENT = "reconciliation.alert"
WORDS = {
    AlertDelivery.Event.OPENED: "",
    AlertDelivery.Event.REMINDED: "Still open: ",
    AlertDelivery.Event.RESOLVED: "Resolved: ",
}


def message(alert: Alert, event: str) -> dict[str, Any]:
    """Return the data of an alert, the same for every channel; amounts are minor units."""
    page = reverse("admin:reconciliation_alert_change", args=[alert.alert_id])
    return {
        "alert_id": alert.alert_id,
        "kind": alert.kind,
        "event": str(event),
        "title": alert.title,
        "details": alert.details,
        "opened_at": alert.opened_at.isoformat(),
        "resolved_at": alert.resolved_at.isoformat() if alert.resolved_at else None,
        "link": f"{settings.LEDGER_PUBLIC_URL}{page}",
    }


def webhook_body(data: dict[str, Any]) -> bytes:
    """Return the body of a webhook, numbers exact."""
    return dumps({"event": WEBHOOK_EVENT, "data": data}).encode()


def subject(data: dict[str, Any]) -> str:
    """Return the subject of a mail, in one line."""
    return " ".join(f"[Ledger] {WORDS[data['event']]}{data['title']}".split())


def mail_text(data: dict[str, Any]) -> str:
    """Return the text of a mail: the sentence, the figures, where to look."""
    lines = [data["title"], "", *_lines(data["details"]), "", f"Since {data['opened_at']}", data["link"]]
    return "\n".join(lines) + "\n"


def _lines(details: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for name, value in details.items():
        label = f"{indent}{name.replace('_', ' ')}:"
        if isinstance(value, dict):
            lines += [label, *(f"{indent}  {key}: {amount}" for key, amount in value.items())]
        elif isinstance(value, list):
            lines += [label, *(f"{indent}  {', '.join(str(part) for part in row.values())}" for row in value)]
        else:
            lines.append(f"{label} {value}")
    return lines
