"""What balances ought to be by their transactions: measured, screened, summed."""

from reconciliation.measuring.duck import DIGITS, Duck, EngineMissing, NotProved, duck
from reconciliation.measuring.measurement import (
    MEASURED_AT_ONCE,
    Measurement,
    Totals,
    chunks,
    measure,
    measure_all,
    units,
)
from reconciliation.measuring.measures import LEG_SUMS, Measure, PostgresMeasure, Sums, Witness, read_sums
from reconciliation.measuring.parquet import ParquetMeasure
from reconciliation.measuring.reading import ReplicaUnfit, few_processes, long_reads, replica, turn
from reconciliation.measuring.scope import Scope, ScopeRefused
from reconciliation.measuring.spark import SparkMeasure
from reconciliation.measuring.trial_balances import SIDES, corrected, judged, stored_sums, trial_balance
