"""The roles that a house begins with, as groups: who may do what.

A group is made once, where none has its name, and then belongs to the house: what is added to or taken from it stays.
``PERMISSIONS`` is also the list of all permissions that mean something here; the others of Django's are not offered.
"""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet

LEDGER = {
    "balances.view_ledger": "See ledgers",
    "balances.view_balance": "See balances",
    "balances.view_transaction": "See transactions",
    "balances.view_identity": "See identities",
    "balances.view_account": "See accounts",
    "balances.view_lineageoutbox": "See the lineage of funds",
    "balances.view_balancemonitor": "See monitors",
    "queueing.view_entry": "See the queue",
    "uploads.view_upload": "See imports",
    "instructions.view_instruction": "See what was moved by hand",
    "instructions.view_openhold": "See the list of open holds",
    "instructions.view_holdplan": "See plans that commit or void many holds",
}
RECONSTRUCTION = {
    "reconciliation.view_sweep": "See sweeps",
    "reconciliation.view_finding": "See findings",
    "reconciliation.view_incident": "See incidents",
    "reconciliation.view_break": "See breaks",
    "reconciliation.view_plan": "See plans",
    "reconciliation.view_reconstruction": "See reconstructions",
    "reconciliation.view_assignment": "See the board of work, as far as its subjects may be seen",
}
EVIDENCE = {
    "balances.view_balancesnapshot": "See snapshots",
    "reconciliation.view_balanceedit": "See edits of totals",
    "reconciliation.view_transactionedit": "See edits of transactions",
    "reconciliation.view_step": "See the steps of plans",
    "reconciliation.view_seal": "See the chain of records",
    "reconciliation.view_acceptance": "See acceptances",
    "reconciliation.view_archive": "See archived months",
    "reconciliation.view_note": "See the list of notes, as far as their subjects may be seen",
    "reconciliation.view_alert": "See alerts",
    "reconciliation.view_schedule": "See schedules",
}
TRAILS = {
    "reconciliation.view_auditentry": "See the audit log",
    "reconciliation.view_refusal": "See refusals",
    "reconciliation.view_disclosure": "See disclosures",
    "reconciliation.view_export": "See exports",
    "reconciliation.view_alertdelivery": "See deliveries of alerts",
    "hooks.view_hook": "See hooks",
    "hooks.view_delivery": "See deliveries of webhooks",
    "balances.view_apikey": "See API keys",
    "auth.view_user": "See users",
    "auth.view_group": "See groups",
    "procrastinate.view_procrastinatejob": "See background jobs",
}
ANALYSING = {
    "balances.preview_reconstruction": "Preview the reconstruction of a balance",
    "reconciliation.run_sweep": "Start, pause, resume and cancel sweeps",
    "reconciliation.assign_finding": "Assign work on all that may be seen, and write notes",
    "reconciliation.propose_plan": "Propose plans",
}
OPERATING = {
    "balances.reconstruct_balance": "Reconstruct balances at once, within the limits of the house",
    "reconciliation.apply_plan": "Apply approved plans",
    "reconciliation.undo_reconstruction": "Take corrections back",
    "balances.add_ledger": "Open ledgers",
    "balances.change_ledger": "Rename ledgers, change their metadata",
    "balances.change_balance": "Change the metadata of balances",
    "balances.add_balancemonitor": "Add monitors",
    "balances.change_balancemonitor": "Change monitors",
    "balances.delete_balancemonitor": "Delete monitors",
    "balances.retry_lineageoutbox": "Have funds traced again",
    "instructions.move_money": "Move money by hand: pay, hold, commit, void, refund",
    "queueing.apply_entry": "Apply queued transactions before their turn",
    "uploads.import_ledger": "Import ledgers",
    "hooks.retry_delivery": "Try deliveries again",
    "reconciliation.change_schedule": "Change schedules",
    "reconciliation.share_savedview": "Share saved views of lists with all staff",
}
APPROVING = {
    "reconciliation.approve_plan": "Approve and reject plans of others",
    "instructions.approve_instruction": "Approve and reject what others move by hand",
    "reconciliation.accept_finding": "Accept findings as they are, and take that back",
}
ADMINISTERING = {
    "auth.add_user": "Add users",
    "auth.change_user": "Change users",
    "auth.add_group": "Add groups",
    "auth.change_group": "Change groups",
    "auth.delete_group": "Delete groups",
    "balances.add_apikey": "Issue API keys",
    "balances.revoke_api_key": "Revoke API keys",
    "hooks.add_hook": "Add hooks",
    "hooks.change_hook": "Change hooks",
    "hooks.delete_hook": "Delete hooks",
    "procrastinate.change_procrastinatejob": "Retry and cancel background jobs",
}
DISCLOSING = {"balances.detokenize_identity": "See the original values of tokenized fields"}

PERMISSIONS: Final = {
    **LEDGER,
    **RECONSTRUCTION,
    **EVIDENCE,
    **TRAILS,
    **ANALYSING,
    **OPERATING,
    **APPROVING,
    **ADMINISTERING,
    **DISCLOSING,
}
"""What each permission lets people do, in words."""
DECIDING = ("balances.preview_reconstruction", "reconciliation.assign_finding")
"""What those who decide need to look closer, and to ask."""
VIEWER = {**LEDGER, **RECONSTRUCTION}
ROLES: Final[dict[str, dict[str, str]]] = {
    "Viewer": VIEWER,
    "Analyst": VIEWER | EVIDENCE | ANALYSING,
    "Operator": VIEWER | EVIDENCE | ANALYSING | OPERATING | {"hooks.view_delivery": "", "hooks.view_hook": ""},
    "Approver": VIEWER | EVIDENCE | APPROVING | dict.fromkeys(DECIDING, ""),
    "Administrator": VIEWER | EVIDENCE | TRAILS | ADMINISTERING,
    "Auditor": VIEWER | EVIDENCE | TRAILS,
}
"""An operator cannot approve, an approver cannot propose, and an administrator can do neither."""


def ensure_roles(**_: Any) -> None:
    """Make the groups of the roles that are not there, after each migrate, once all permissions are."""
    if permissions().count() < len(PERMISSIONS):
        return
    there = set(Group.objects.filter(name__in=ROLES).values_list("name", flat=True))
    for name in [each for each in ROLES if each not in there]:
        Group.objects.create(name=name).permissions.set(permissions(ROLES[name]))


def permissions(names: Any = PERMISSIONS) -> QuerySet[Permission]:
    """Return permissions by ``app.codename``, all that mean something by default."""
    wanted = Q(pk__in=())
    for name in names:
        app, _, codename = name.partition(".")
        wanted |= Q(content_type__app_label=app, codename=codename)
    return Permission.objects.filter(wanted).select_related("content_type")
