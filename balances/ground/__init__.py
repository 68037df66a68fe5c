"""The foundation: amounts, instants, exact JSON, statements, locks, errors. It knows no table."""

from balances.ground import amounts, exceptions, lookalikes, upkeep
from balances.ground.addresses import client_address, network_of
from balances.ground.adoptions import (
    SCHEMA,
    Adoption,
    LeftToBlnk,
    Mode,
    ModeForbids,
    Provenance,
    RightsMissing,
    adoption,
    forbidden,
    may,
    provenance,
    require_mode,
    require_own_tables,
)
from balances.ground.amounts import (
    EXACT,
    ZERO,
    major_units,
    plain,
    short,
    threshold_units,
    transaction_hash,
    whole_units,
)
from balances.ground.deadlines import ReadTimedOut, deadline
from balances.ground.exact_json import (
    ESCAPED,
    MAX_DIGITS,
    MAX_EXPONENT,
    ExactDecoder,
    ExactEncoder,
    NumberOutOfRange,
    TooDeep,
    dumps,
    loads,
)
from balances.ground.exceptions import (
    BalanceLocked,
    BalanceNotFound,
    EmptySource,
    FractionOfUnit,
    IndicatorNotFound,
    InsufficientPermissions,
    LedgerError,
    NotFound,
    NotYetSupported,
    UnknownResource,
    UnreadableTotals,
)
from balances.ground.fields import ExactJSONField, MajorUnitsField, MetadataField, MinorUnitsField, UTCDateTimeField
from balances.ground.instants import go_time
from balances.ground.jobs import Backlog, defer_once
from balances.ground.lanes import is_costly, is_read
from balances.ground.limits import limit_of
from balances.ground.locks import LOCK_WAIT, atomic_with_lock_limit, refused_when_locked
from balances.ground.outages import (
    RETRY_AFTER_SECONDS,
    DatabaseUnavailable,
    OutcomeUnknown,
    Unreachable,
    is_outage,
    outage_of,
)
from balances.ground.prepared import CommitLine, Line, Question, Result, Undone
from balances.ground.principals import ANYBODY, MASTER, Principal
from balances.ground.rate_limit import RateLimiter, bucket_of, headers_of
from balances.ground.replicas import Replica, has_replica, on_replica
from balances.ground.signals import (
    HIDDEN,
    approving,
    changed,
    changed_together,
    disclosed,
    exported,
    refused,
    why_not_approving,
)
from balances.ground.snapshots import ONE_SNAPSHOT, one_snapshot
from balances.ground.statements import Lookup, Statement, pipelined
from balances.ground.tables import ShownTable, Table, TooMuch
