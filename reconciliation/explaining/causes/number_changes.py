"""The simple rule by which a number was changed, in words that are exactly true; or none."""

from __future__ import annotations

from collections.abc import Mapping

LEAST_DIGITS = 3
"""Digits that a number needs for it to mean something that all but one or two of them are the same."""


def amounts_to(old: int, new: int) -> str:
    """Return in words the simplest rule by which the new number follows exactly from the old one; else ""."""
    if not (isinstance(old, int) and isinstance(new, int)) or old == new or not old:
        return ""  # a foreign database may hold fractions, or no number
    if not new:
        return "set to zero"
    turned = ", with its sign reversed" if (old < 0) != (new < 0) else ""
    if abs(old) == abs(new):
        return "the old value with its sign reversed"
    by_factor = _factor(abs(old), abs(new))
    if by_factor:
        return by_factor + turned
    return "" if turned else _digits(str(abs(old)), str(abs(new)))


def _factor(old: int, new: int) -> str:
    large, small = max(old, new), min(old, new)
    factor, left = divmod(large, small)
    if left or not (factor == 2 or _is_power_of_ten(factor)):
        return ""
    if new < old:
        return "exactly half the old value" if factor == 2 else f"exactly the old value divided by {factor:,}"
    return "exactly twice the old value" if factor == 2 else f"exactly {factor:,} times the old value"


def _is_power_of_ten(factor: int) -> bool:
    return factor > 1 and set(str(factor)[1:]) == {"0"} and str(factor)[0] == "1"


def _digits(old: str, new: str) -> str:
    """Compare two numbers by their digits, for mistakes in typing."""
    if min(len(old), len(new)) < LEAST_DIGITS:
        return ""
    if len(old) == len(new):
        other = [place for place in range(len(old)) if old[place] != new[place]]
        if len(other) == 1:
            return f"the old value with one digit changed, {old[other[0]]} to {new[other[0]]}"
        if len(other) == 2 and old[other[0]] + old[other[1]] == new[other[1]] + new[other[0]]:
            return f"the old value with the digits {old[other[0]]} and {old[other[1]]} swapped"
        return ""
    shorter, longer = sorted((old, new), key=len)
    one_more = len(longer) == len(shorter) + 1
    if one_more and any(longer[:place] + longer[place + 1 :] == shorter for place in range(len(longer))):
        return f"the old value with one digit {'added' if longer is new else 'left out'}"
    return ""


def totals_amount_to(old: Mapping[str, int], new: Mapping[str, int]) -> str:
    """Return the same for the totals of a balance: ``credit`` and ``debit``, applied and inflight."""
    return " and ".join(
        words for held in ("", "inflight_") if (words := _pair_amounts_to(f"{held}credit", f"{held}debit", old, new))
    )


def _pair_amounts_to(credit: str, debit: str, old: Mapping[str, int], new: Mapping[str, int]) -> str:
    names = {side: side.replace("_", " ") for side in (credit, debit)}
    if old[credit] != old[debit] and (new[credit], new[debit]) == (old[debit], old[credit]):
        return f"{names[credit]} and {names[debit]} exchanged"
    rules = {side: amounts_to(old[side], new[side]) for side in names if old[side] != new[side]}
    if len(rules) == 2 and rules[credit] and rules[credit] == rules[debit]:
        return f"{names[credit]} and {names[debit]} each {rules[credit]}"
    return " and ".join(f"{names[side]} {rule}" for side, rule in rules.items() if rule)
