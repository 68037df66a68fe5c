"""The wire: routes, what requests must keep, and answers."""

from balances.api import hot_lane, hot_reads, listing, posting_lane, views
from balances.api.caller import actor
from balances.api.errors import error_body
from balances.api.filter_views import FilterBalancesView
from balances.api.gate import HEADERS, PAGES, Knock, gate_of
from balances.api.go import Strings, decode
from balances.api.transaction_views import PreviewedView
