"""Sealed records of what was done, refused, disclosed and exported."""

from reconciliation.records.auditing import record_audit, record_audits
from reconciliation.records.comparison import INTEGER, LABELS, RESULT_KEY, RESULT_LABELS, Comparison, last_result
from reconciliation.records.disclosures import record_disclosure
from reconciliation.records.exports import record_export
from reconciliation.records.refusals import record_refusal
from reconciliation.records.reports import COLUMNS, FORMATS, NUMBERS, WHOSE, Report, Row, compared, figures, opened
from reconciliation.records.sealing import MODELS, is_as_sealed, lock_chain, seal
from reconciliation.records.verifying import Verification
