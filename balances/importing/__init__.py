"""Imports a ledger from files, through COPY: the second writer of the core tables.

Posting writes one movement and moves totals by it. An import writes history that another system has booked, with the
totals which that system stored, right or wrong. To post it again would hide the very drift that this product is meant
to find, and would take minutes where COPY takes seconds. Everything else goes through ``balances.posting``, which opens
the ledger; and imported rows are append-only like any other.

``files`` reads CSV as a ``style`` says, ``values`` reads cells, ``rows`` turns records into rows of the tables, and
``load`` writes them: with the totals that the files state, or through ``adding``, which moves totals by the rows.
``asserting`` checks what files state of balances.
"""

from balances.importing.copying import Progress
from balances.importing.files import GZIP_MAGIC, Source
from balances.importing.generating import GENERATE_DRIFT, Wish, generate_ledger
from balances.importing.load import import_ledger
from balances.importing.readers import FORMATS
from balances.importing.refusing import ImportRefused
from balances.importing.report import Imported
from balances.importing.request import ImportRequest
from balances.importing.style import Style
