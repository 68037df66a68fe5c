"""Looking through whole ledgers: sweeps, their findings and incidents."""

from reconciliation.sweeping import service, status, tasks
from reconciliation.sweeping.open_findings import (
    OPEN,
    STANDING,
    UNBROKEN,
    State,
    drift_stays,
    in_state,
    state_of,
    still_drifting,
    still_open,
    with_state,
)
from reconciliation.sweeping.service import (
    SweepRefused,
    cancel_sweep,
    create_sweep,
    pause_sweep,
    resume_sweep,
    run_sweep,
)
from reconciliation.sweeping.status import (
    FINDINGS,
    MEASURED,
    as_row,
    balances,
    is_deep,
    out_of_balance,
    proved,
    unproved,
    verdict,
    waits,
)
from reconciliation.sweeping.tasks import request_resume, request_sweep
