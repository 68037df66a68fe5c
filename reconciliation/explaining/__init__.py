"""Why a balance differs and since when: evidence, and the causes that fit it."""

from reconciliation.explaining import evidence
from reconciliation.explaining.causes import (
    CAUSES,
    COUNTING,
    NOT_YET,
    SIDES,
    UNEXPLAINED,
    Case,
    Certainty,
    Drift,
    Explanation,
    facts,
    row_units,
    summary,
)
from reconciliation.explaining.evidence import HISTORY, find_gone
from reconciliation.explaining.service import (
    EXPLAINED_AT_ONCE,
    Explained,
    SinceWhen,
    explain,
    explain_balance,
    explain_findings,
    explain_many,
    window,
)
