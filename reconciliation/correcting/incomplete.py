"""Reasons not to rebuild a balance: transactions that are missing, or that were changed after they were written.

Then the stored totals are the better evidence. Every way to rebuild, except Blnk's metadata flag, refuses to follow
such transactions unless that is explicitly allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from balances.ground import LedgerError, provenance
from reconciliation.checks import CHECKS, FOREIGN, rates_are_gone
from reconciliation.explaining import CAUSES, COUNTING, EXPLAINED_AT_ONCE, Drift, evidence, explain, facts, find_gone
from reconciliation.measuring import Measurement, chunks
from reconciliation.models import Finding, TransactionEdit

NO_ROWS = "the balance has totals but no transactions"
NO_NUMBER = "a total is no number, or its transactions do not add up to whole minor units"
RATES_GONE = (
    "it received from balances in another currency, at exchange rates that this database no longer has: its totals are "
    "the only record of them"
)
"""What no one can allow to be followed: the transactions name amounts that were never credited."""
SETTLED_BEYOND = "holds that were settled for more than they held"
DAMAGE = (CHECKS["hash_disagrees"], CHECKS["columns_contradict"])
"""The checks that find, for single balances, rows that were changed after they were written."""
NAMED = 3
"""Rows named in a sentence; the others are counted."""


ALLOWED = " If they are to be followed all the same, allow that explicitly (allow_incomplete)."


class IncompleteSource(LedgerError):
    """The transactions of the balance are known to be incomplete or damaged."""

    code = "GEN_CONFLICT"

    def __init__(self, balance_id: str, gap: str) -> None:
        super().__init__(
            f"Balance {balance_id} was not changed: {gap}. Its transactions do not say what its totals ought to be."
            + ALLOWED * (gap != RATES_GONE)
        )


def left(gap: str) -> str:
    """Return the note for a balance that is not corrected, because its transactions are incomplete or damaged."""
    return f"Not corrected: {gap}."


def followed(gap: str, *, by_flag: bool = False) -> str:
    """Return the note for a balance that is corrected, as was allowed or is its flag's way, although rows are wrong."""
    why = "as Blnk's own flag has it" if by_flag else "as was allowed"
    return f"Follows the transactions as they are now, {why}, although they are not right: {gap}."


@dataclass(frozen=True)
class Source:
    """What is missing or damaged in the rows behind a balance, as a clause or empty, and when it was last right."""

    gap: str
    last_right_at: datetime | None = None


def sources(drifted: list[Measurement]) -> dict[str, Source]:
    """Return what is known of the rows behind balances that drift, by balance id.

    The latest finding is asked where it saw the same drift; elsewhere the drift is explained now. Whether rows were
    changed or deleted is looked up in any case, for that may have come to light since.
    """
    known = _from_findings([each for each in drifted if each.is_readable])
    for portion in chunks((each for each in drifted if each.balance_id not in known), EXPLAINED_AT_ONCE):
        for balance_id, why in explain(portion).items():
            known[balance_id] = Source(_gap(each.as_json() for each in why.explanations), why.last_right_at)
    against = {each.balance_id: NO_ROWS for each in drifted if each.is_empty}
    against |= {balance_id: source.gap for balance_id, source in known.items() if source.gap}
    against = gone(drifted) | against | damage(drifted)
    against |= {each.balance_id: NO_NUMBER for each in drifted if not each.is_readable}
    return {balance_id: replace(source, gap=against.get(balance_id, "")) for balance_id, source in known.items()}


def damage(drifted: list[Measurement]) -> dict[str, str]:
    """Return for balances that drift which of their transactions were changed or deleted, in a sentence each.

    The edit journal knows what a change amounts to. Where it did not see one, a row that does not match its hash, or
    whose columns contradict each other, is enough.
    """
    ids = [each.balance_id for each in drifted if each.is_readable]
    evidence.take_up_journal()
    edited = evidence.edits_touching(ids).exists() if ids else False
    final = _without_rates(ids)
    gaps = _of_adopted(ids) | _suspicious(ids) | final
    if not edited:
        return gaps
    for case in evidence.open_cases([each for each in drifted if each.is_readable]):
        if gap := _gap(fact.as_json() for fact in facts(case)):
            gaps[case.balance_id] = gap
    return gaps | final


def _of_adopted(balance_ids: list[str]) -> dict[str, str]:
    """Return for balances with rows of Blnk's which of their holds were settled twice, in a sentence each."""
    if not balance_ids or provenance() is None:
        return {}
    found = CHECKS["hold_settled_beyond"].faults(balance_ids=balance_ids)
    return {each.balance_id: f"{SETTLED_BEYOND}: {', '.join(each.rows[:NAMED])}" for each in found}


def _without_rates(balance_ids: list[str]) -> dict[str, str]:
    """Return the balances whose credits were converted at rates that are gone from a database of Blnk's."""
    if not balance_ids or not rates_are_gone():
        return {}
    faults = FOREIGN.faults(balance_ids=balance_ids)
    return {fault.balance_id: RATES_GONE for fault in faults if fault.balance_id in balance_ids}


def why_not_proved(measured: list[Measurement]) -> dict[str, str]:
    """Return balances that their transactions cannot prove right or wrong, whatever they add up to, with the reason."""
    return _without_rates([each.balance_id for each in measured])


def gone(drifted: list[Measurement]) -> dict[str, str]:
    """Return for balances that drift that a row which both its balances counted may be gone, in a sentence each."""
    ahead = [each for each in drifted if each.is_whole and each.counted_more]
    if not ahead:
        return {}
    cases = evidence.open_cases(ahead)
    for case in cases:
        case.rest = case.drift - sum((fact.drift for fact in facts(case)), Drift())
    cases = [case for case in cases if case.rest and case.counted_more]
    evidence.find_rows(cases)
    find_gone(cases, None)
    return {
        case.balance_id: f"a transaction may be gone without a trace: this {case.shared_excess}"
        for case in cases
        if case.gone_with
    }


def _suspicious(balance_ids: list[str]) -> dict[str, str]:
    """Return for balances which of their rows contradict themselves; those that the journal knows are left to it."""
    if not balance_ids:
        return {}
    rows: dict[str, set[str]] = {}
    for fault in (fault for check in DAMAGE for fault in check.faults(balance_ids=balance_ids, sweep_id="")):
        rows.setdefault(fault.balance_id, set()).update(fault.rows)
    named = set().union(*rows.values())
    journaled = TransactionEdit.objects.filter(transaction_id__in=named).values_list("transaction_id", flat=True)
    known = set(journaled) if named else set()
    return {
        balance_id: _sentence(sorted(found - known))
        for balance_id, found in rows.items()
        if found - known and balance_id in balance_ids
    }


def _sentence(rows: list[str]) -> str:
    named = ", ".join(rows[:NAMED]) + (f" and {len(rows) - NAMED} more" if len(rows) > NAMED else "")
    return f"transactions that were changed after they were written: {named}; the totals may hold what they were"


def _from_findings(drifted: list[Measurement]) -> dict[str, Source]:
    """Return what the latest explained finding of each balance knows, where it is about the drift that is there."""
    differences = {each.balance_id: each.difference for each in drifted}
    findings = Finding.objects.filter(balance_id__in=list(differences), drifted=True, explained_at__isnull=False)
    latest = findings.order_by("balance_id", "-found_at").distinct("balance_id")
    return {
        finding.balance_id: Source(_gap(finding.explanations), finding.last_right_at)
        for finding in latest
        if finding.difference == differences[finding.balance_id]
    }


def _gap(explanations: Iterable[Mapping[str, Any]]) -> str:
    """Return what is missing or damaged in a source whose drift has these explanations, or nothing.

    Where the best of them is that two balances share a movement which no row records, that is enough, although it is
    a hint: rows that were written together raise ``version`` once, so it need not show that one of them is gone.
    """
    ranked = list(explanations)
    blocking = [each for each in ranked if each["certainty"] in COUNTING and CAUSES[each["cause"]].blocks]
    blocking += [each for each in ranked[:1] if _is_shared(each)]
    return _in_words(blocking[0]["cause"], blocking[0]["sentence"]) if blocking else ""


def _is_shared(explanation: Mapping[str, Any]) -> bool:
    """Return whether two balances share a movement without a row; where their versions show it too, see ``gone``."""
    seen = explanation.get("evidence") or {}
    return explanation["cause"] == "effect_without_row" and "balances" in seen and "counted_on_both" not in seen


def _in_words(cause: str, sentence: str) -> str:
    instead = "; it can be booked again from the edit journal" if cause == "deleted_row" else ""
    return f"{CAUSES[cause].title.lower()}: {sentence.rstrip('.')}{instead}"
