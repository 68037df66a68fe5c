"""Brings a ledger in from two CSV files, through COPY: the second writer of the core tables.

Posting writes one movement and shifts totals by it. An import writes history that another system has booked,
with the totals which that system stored, right or wrong; to post it again would hide the very drift that this
product is there to find, and would take minutes where COPY takes seconds. Everything else keeps to
``balances.posting``: the ledger is opened there, and rows, once in, are append-only like any other.

``files`` reads CSV, ``values`` reads cells, ``rows`` turns records into rows of the tables, ``load`` writes them.
"""

from balances.importing.files import ImportRefused
from balances.importing.load import Imported, import_ledger

__all__ = ("ImportRefused", "Imported", "import_ledger")
