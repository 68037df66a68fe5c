"""What every page of the back-office shares: nothing added or deleted by hand, and lists that never count a table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.contrib.admin.utils import quote
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import DataError, models
from django.forms import BooleanField
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateFilter, TextFilter
from unfold.utils import parse_date_str
from unfold.views import ChangeList

from balances.ground import Statement

if TYPE_CHECKING:  # unfold has no type hints of its own; these are Django's, with unfold's additional options
    from django.contrib import admin

    Method = TypeVar("Method", bound=Callable[..., Any])
    ModelAdmin = admin.ModelAdmin[Any]
    Mixin = admin.ModelAdmin[Any]
    Pages = Paginator[Any]

    def action(**options: Any) -> Callable[[Method], Method]: ...  # noqa: D103

    def display(**options: Any) -> Callable[[Method], Method]: ...  # noqa: D103

else:
    from unfold.admin import ModelAdmin
    from unfold.decorators import action, display

    Pages, Mixin = Paginator, object

__all__ = [
    "CarefulActions",
    "CurrencyFilter",
    "DaysFilter",
    "EstimatingPaginator",
    "LedgerModelAdmin",
    "ModelAdmin",
    "action",
    "display",
    "link",
    "url_of",
]

ESTIMATED_ROWS = Statement.beside(__file__, "estimated_rows.sql")
COUNTED = 10_000
"""Rows that are counted one by one; beyond that a page says how many there are at least, or about."""


class EstimatingPaginator(Pages):
    """Counts few rows exactly and many never: counting a million for each page view would take longer than the page."""

    template_name = "admin/balances/pagination.html"

    @cached_property
    def count(self) -> int:
        """Return the number of rows, or ``COUNTED`` of a filtered list, or the planner's estimate of a whole table."""
        rows: models.QuerySet[Any] = self.object_list  # type: ignore[assignment]
        counted = rows.order_by()[: COUNTED + 1].count()
        if counted <= COUNTED:
            return counted
        return COUNTED if rows.query.where else max(self._estimate(rows), COUNTED)

    @cached_property
    def num_pages(self) -> int:
        """Return how many pages can be turned to: reaching a far one would read all rows before it."""
        return min(super().num_pages, COUNTED // self.per_page)

    @property
    def count_in_words(self) -> str:
        """Return the count as it is known: exactly, at least, or about."""
        rows: models.QuerySet[Any] = self.object_list  # type: ignore[assignment]
        if self.count < COUNTED:
            return str(self.count)
        return f"more than {COUNTED:,}" if rows.query.where else f"about {self.count:,}"

    def _estimate(self, rows: models.QuerySet[Any]) -> int:
        return int(ESTIMATED_ROWS.rows(table_name=rows.model._meta.db_table)[0]["estimate"])


class QuietChangeList(ChangeList):  # type: ignore[misc]  # unfold has no type hints
    """A list whose heading does not repeat the count: the foot of the page says it, and how well it is known."""

    def get_results(self, request: HttpRequest) -> None:
        """Give the heading nothing to compare."""
        super().get_results(request)
        self.full_result_count = self.result_count

    def url_for_result(self, result: models.Model) -> str:
        """Return an address with the id as it is everywhere else, not in the admin's own quoting."""
        return url_of(result)


class CarefulActions(Mixin):
    """Actions on what was ticked, and on nothing else; what cannot be asked is a sentence."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Refuse an action that was not offered; Django alone would show the list as if nothing had been asked."""
        if set(request.POST.getlist("action")) - {""} - set(self.get_actions(request)):
            raise PermissionDenied
        if "\x00" in "".join(request.POST.getlist(ACTION_CHECKBOX_NAME)):
            raise BadRequest("No row has such an id.")
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Refuse a comparison that only turns out to be impossible where it is made, as Django refuses others.

        A year 0, for one, or a text that is no array. A list that was asked nothing has no such excuse.
        """
        try:
            return super().get_changelist_instance(request)
        except (ValueError, OverflowError, DataError) as error:
            if not request.GET:
                raise
            raise IncorrectLookupParameters from error

    def response_action(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
        """Act on the rows that were ticked, also where a filter hides them; say so where they are gone."""
        ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
        across = BooleanField(required=False).to_python(request.POST.get("select_across"))
        if ticked and not across:
            queryset = self.get_queryset(request)
            gone = len(set(ticked)) - _there(queryset, ticked)
            if gone == len(set(ticked)):
                self.message_user(request, "Nothing was done: what was chosen is not there any more.", messages.ERROR)
                return None
            if gone:
                self.message_user(request, f"{gone} of the chosen rows are not there any more.", messages.WARNING)
        elif across and not queryset.exists():
            self.message_user(request, "Nothing was done: the list is empty.", messages.ERROR)
            return None
        response: HttpResponse | None = super().response_action(request, queryset)
        return response


class LedgerModelAdmin(CarefulActions, ModelAdmin):
    """A page to look at: no row is added, changed or deleted by hand unless a subclass says so."""

    paginator = EstimatingPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # counts beside each choice of a filter would read the whole table
    list_per_page = 50
    list_max_show_all = 0
    list_filter_submit = True
    actions_on_bottom = False

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[Any]:
        """Return the list with the quiet heading."""
        return QuietChangeList

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **options: Any) -> Any:
        """Understand an id as it is: Django would read the ``_22`` of ``bln_22…`` as a quotation mark it had quoted."""
        if object_id is not None and quote("_") not in object_id:
            object_id = quote(object_id)
        return super().changeform_view(request, object_id, *args, **options)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: rows come from posting."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: rows are read."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: rows stay."""
        return False


def _there(queryset: models.QuerySet[Any], keys: list[str]) -> int:
    """Return how many of these keys a row has; none where one of them can be no key."""
    try:
        return queryset.filter(pk__in=keys).count()
    except (ValueError, ValidationError):
        return 0


class CurrencyFilter(TextFilter):  # type: ignore[misc]  # unfold has no type hints
    """Narrows a list to one currency, typed in: listing those in use would scan the table."""

    title = "currency"
    parameter_name = "currency"

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """Compare whole codes, as they are stored."""
        wanted = (self.value() or "").strip()
        return queryset.filter(currency=wanted) if wanted else queryset


class DaysFilter(RangeDateFilter):  # type: ignore[misc]  # unfold has no type hints
    """Narrows a list to days, first and last included, in UTC; text that is no date narrows nothing."""

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """Compare instants, so that the index on them serves."""
        first = parse_date_str(self.used_parameters.get(f"{self.field_path}_from"))
        last = parse_date_str(self.used_parameters.get(f"{self.field_path}_to"))
        if first:
            queryset = queryset.filter(**{f"{self.field_path}__gte": datetime.combine(first, time(), UTC)})
        if last and last < date.max:
            end = datetime.combine(last, time(), UTC) + timedelta(days=1)
            queryset = queryset.filter(**{f"{self.field_path}__lt": end})
        return queryset


def url_of(row: models.Model) -> str:
    """Return the address of the page of a row."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def link(row: models.Model, text: str | None = None) -> SafeString:
    """Return a link to the page of a row."""
    return format_html('<a class="text-link" href="{}">{}</a>', url_of(row), text or str(row))
