"""Copies a database of Blnk's into our own, for those who want to move (docs/import.md).

The source is only read, in one snapshot. Rows come over as they are, right or wrong, in portions that each commit with
the note of how far they go; at the end both sides are counted, summed and digested. What our tables cannot hold is
refused by name before anything is written.
"""

from ledgerproj.moving.comparing import Compared
from ledgerproj.moving.looking import MoveRefused, Preview
from ledgerproj.moving.service import Moved, Progress, Wish, move, preview
from ledgerproj.moving.source import WAITING
