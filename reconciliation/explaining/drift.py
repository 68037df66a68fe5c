"""Drift: by how much a balance is off, on each of its four sides."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal

from reconciliation.measuring import Totals

OTHER_SIDE = {"credit": "debit", "debit": "credit"}


@dataclass(frozen=True)
class Drift:
    """Stored less recalculated on the four sides, in minor units; the nets follow from them."""

    credit: int = 0
    debit: int = 0
    inflight_credit: int = 0
    inflight_debit: int = 0

    @classmethod
    def of(cls, recalculated: Totals, stored: Totals) -> Drift:
        """Return stored less recalculated totals."""
        return cls(
            **{side: getattr(stored, f"{side}_balance") - getattr(recalculated, f"{side}_balance") for side in SIDES}
        )

    @classmethod
    def on(cls, side: str, units: int) -> Drift:
        """Return a drift of one side alone."""
        return cls(**{side: units})

    def __add__(self, other: Drift) -> Drift:
        return Drift(**{side: getattr(self, side) + getattr(other, side) for side in SIDES})

    def __sub__(self, other: Drift) -> Drift:
        return self + other.times(-1)

    def __bool__(self) -> bool:
        """Return whether any side is off."""
        return any(self.sides.values())

    def times(self, factor: int) -> Drift:
        """Return this drift multiplied on every side."""
        return Drift(**{side: getattr(self, side) * factor for side in SIDES})

    def only(self, *sides: str) -> Drift:
        """Return what is off on these sides."""
        return Drift(**{side: getattr(self, side) for side in sides})

    @property
    def sides(self) -> dict[str, int]:
        """Return the sides that are off."""
        return {side: getattr(self, side) for side in SIDES if getattr(self, side)}

    @property
    def gross(self) -> int:
        """Return the sum of what is off, each side by its absolute value."""
        return sum(abs(units) for units in self.sides.values())

    @property
    def is_finite(self) -> bool:
        """Return whether every side is a finite number: in a foreign database, or after an edit, it may not be."""
        return all(Decimal(units).is_finite() for units in self.sides.values())

    def fits(self, rest: Drift) -> bool:
        """Return whether ``rest`` is off by exactly this on every side that this names."""
        return bool(self) and all(getattr(rest, side) == units for side, units in self.sides.items())


SIDES = tuple(item.name for item in fields(Drift))
