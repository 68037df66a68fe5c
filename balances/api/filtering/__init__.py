"""Filters of the lists: grammars for queries and bodies, a closed set of fields for each table, values always bound.

docs/design/wire.md states the rules under "Lists".
"""

from balances.api.filtering import resources
from balances.api.filtering.describing import fields_of, query_of, rows_of, rows_or_counted
from balances.api.filtering.grammar import LARGEST, Asked, InvalidFilterParameters, from_query
from balances.api.filtering.requests import FilterRequest, Page, Whole, page_from
from balances.api.filtering.resources import Filters
