"""The drill: a clean ledger, every known fault planted in it, and how well a sweep finds and explains them."""

from reconciliation.drill import demo
from reconciliation.drill.running import DrillResult, drill
