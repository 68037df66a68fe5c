"""Adopting a database of Blnk's as it is: a schema of ours beside its own, with views over its tables."""

from ledgerproj.adopting.helping import drop_indexes, helpers, make_indexes
from ledgerproj.adopting.looking import JOURNAL, Found, NothingToAdopt, belongs_to_blnk, look, look_at
from ledgerproj.adopting.making import AdoptionRefused, adopt, remove, what_it_creates
from ledgerproj.adopting.serving import grants, what_waits, why_not_served
from ledgerproj.adopting.views import CONSTANTS, RATE, core_models, rate_functions
