"""Evidence about many balances: gathered by a fixed number of statements, however many balances there are."""

from reconciliation.explaining.evidence.blnks_journal import take_up_journal
from reconciliation.explaining.evidence.fitting import find_rows
from reconciliation.explaining.evidence.gone_rows import find_gone
from reconciliation.explaining.evidence.history import HISTORY, edits_touching, open_cases
from reconciliation.explaining.evidence.missing_spans import find_missing_spans
from reconciliation.explaining.evidence.peers import Peers, drift_in, drift_now
from reconciliation.explaining.evidence.repointed_rows import find_repointed
from reconciliation.explaining.evidence.silent_settlements import find_silent_settlements
from reconciliation.explaining.evidence.surroundings import find_surroundings
