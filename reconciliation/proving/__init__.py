"""Live proof: every commit proved as it lands, from PostgreSQL's write-ahead log (docs/live-proof.md)."""

from reconciliation.proving.ground import CannotWatch, Ground, look, watches
from reconciliation.proving.opening import as_json
from reconciliation.proving.replication import CannotReplicate
from reconciliation.proving.standing import Light, Standing, standing
from reconciliation.proving.watcher import guard, remove, watch
from reconciliation.proving.writing import running_drift
