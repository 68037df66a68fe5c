"""Closed months as files: written, sealed, and proved against what is stored."""

from reconciliation.archiving.comparing import compare
from reconciliation.archiving.months import Month
from reconciliation.archiving.proving import DAMAGES, Damage, Proof
from reconciliation.archiving.service import ArchiveRefused, archive
