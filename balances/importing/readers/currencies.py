"""Minor units of currencies by ISO 4217; currencies that are not listed have a hundred."""

from __future__ import annotations

NONE = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV"}
    | {"XAF", "XOF", "XPF"}
)
THOUSAND = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
TEN_THOUSAND = frozenset({"CLF", "UYW"})


def precision_by_standard(currency: str) -> int:
    """Return the minor units in a major one: by the standard for its codes, one for anything else."""
    if currency in NONE:
        return 1
    if currency in THOUSAND:
        return 1000
    if currency in TEN_THOUSAND:
        return 10_000
    return 100 if len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper() else 1
