"""The base of all pages of the back-office: read-only by default, with lists that never count a whole table."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db import DataError, models
from django.forms import BooleanField
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from unfold.contrib.filters.admin import RangeDateFilter, TextFilter
from unfold.utils import parse_date_str

from balances.backoffice import error_pages, exporting
from balances.backoffice.auditing import Audited
from balances.backoffice.lists import EstimatingPaginator, QuietChangeList, url_of
from balances.ground import LedgerError, Mode, may
from balances.templatetags.money import instant

if TYPE_CHECKING:  # unfold has no type hints of its own; these are Django's, with unfold's additional options
    from django.contrib import admin

    Method = TypeVar("Method", bound=Callable[..., Any])
    ModelAdmin = admin.ModelAdmin[Any]
    Mixin = admin.ModelAdmin[Any]

    def action(**options: Any) -> Callable[[Method], Method]: ...  # noqa: D103

    def display(**options: Any) -> Callable[[Method], Method]: ...  # noqa: D103

else:
    from unfold.admin import ModelAdmin
    from unfold.decorators import action, display

    Mixin = object

__all__ = [
    "CarefulActions",
    "CurrencyFilter",
    "DaysFilter",
    "EstimatingPaginator",
    "Exporting",
    "LedgerModelAdmin",
    "ModelAdmin",
    "action",
    "allowed",
    "column",
    "display",
    "link",
    "moment",
    "url_of",
]

STYLE = re.compile(r' style="[^"<>]*"')


class CarefulActions(Audited):
    """Actions apply to ticked rows only; requests that cannot be met are answered in words."""

    list_sections = ()  # templates look for it with each row, and looking in vain is slow

    @property
    def readonly_preprocess_fields(self) -> dict[str, Callable[[str], SafeString]]:
        """Have JSON shown without the colours that unfold writes into it, which our policy would block."""
        return {field.name: _without_styles for field in self.opts.get_fields() if isinstance(field, models.JSONField)}

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        """Say that an id is wrong where Django would go to the first page, and offer the list."""
        kind, url = str(opts.verbose_name), reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
        said = _("No %(kind)s has the id %(id)s. Compare it with where you have it from, or look in the list.")
        title = _("There is no such %s") % kind
        links = [(url, _("All %s") % opts.verbose_name_plural)]
        return error_pages.not_found(request, title, said % {"kind": kind, "id": unquote(object_id)}, links)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Refuse an action that is not offered, where Django alone would show the list without a word."""
        if set(request.POST.getlist("action")) - {""} - set(self.get_actions(request)):
            raise PermissionDenied
        if "\x00" in "".join(request.POST.getlist(ACTION_CHECKBOX_NAME)):
            raise BadRequest("No row has such an id.")
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Refuse filter values that only fail when they are compared, such as a year 0, as Django refuses others.

        Without a filter, such an error is a bug and is raised.
        """
        try:
            return super().get_changelist_instance(request)
        except (ValueError, OverflowError, DataError) as error:
            if not request.GET:
                raise
            raise IncorrectLookupParameters from error

    def response_action(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
        """Act on the ticked rows, even those hidden by a filter, and report rows that are gone."""
        ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
        across = BooleanField(required=False).to_python(request.POST.get("select_across"))
        if ticked and not across:
            queryset = self.get_queryset(request)
            gone = len(set(ticked)) - _there(queryset, ticked)
            if gone == len(set(ticked)):
                self.message_user(request, "Nothing was done: the selected rows no longer exist.", messages.ERROR)
                return None
            if gone:
                self.message_user(request, f"{gone} of the selected rows no longer exist.", messages.WARNING)
        elif across and not queryset.exists():
            self.message_user(request, "Nothing was done: the list is empty.", messages.ERROR)
            return None
        response: HttpResponse | None = super().response_action(request, queryset)
        return response


class Exporting(Mixin):
    """Lists that can be had as a file and saved as they are filtered, and that count few rows."""

    list_before_template = "admin/saved_views.html"

    paginator = EstimatingPaginator
    show_full_result_count = False

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[Any]:
        """Return the list with the quiet heading."""
        return QuietChangeList

    def get_urls(self) -> list[Any]:
        """Add a route for each kind of file."""
        view, name = (
            self.admin_site.admin_view(require_safe(self.export_view)),
            f"{self.opts.app_label}_{self.opts.model_name}_export",
        )
        routes = [path(f"export.{kind}", view, {"kind": kind}, name=f"{name}_{kind}") for kind in exporting.KINDS]
        return [*routes, *super().get_urls()]

    def export_view(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """Answer with the list as a file, or go back to it and say why not."""
        try:
            return exporting.export(self, request, kind)
        except LedgerError as error:
            self.message_user(request, f"Nothing was exported. {error.message}", messages.ERROR)
            url = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
            return HttpResponseRedirect(f"{url}?{request.GET.urlencode()}")

    def precisions(self) -> exporting.Precisions:
        """Return the precision of each currency, as far as it is known."""
        return {}


READING = {"has_view_permission", "has_view_or_change_permission", "has_module_permission"}
"""Permissions that no mode of an adopted database takes away."""


class LedgerModelAdmin(CarefulActions, Exporting, ModelAdmin):
    """A read-only page: no row is added, changed or deleted by hand unless a subclass allows it."""

    filled_by = ""
    """What would fill the list, as a sentence on the empty one."""
    needs: Mode | None = Mode.SERVE
    """The mode that an adopted database must be in for whatever its pages can do besides showing."""
    needs_else: dict[str, Mode | None] = {}
    """The same of single permissions, by the names of their methods."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Have each permission of a page depend on the mode: what it forbids is offered nowhere, and refused."""
        super().__init_subclass__(**options)
        for name, method in list(vars(cls).items()):
            if name.startswith("has_") and name.endswith("_permission") and name not in READING:
                setattr(cls, name, _within_mode(name, method))

    show_facets = ShowFacets.NEVER  # counts beside each choice of a filter would read the whole table
    list_per_page = 50
    list_max_show_all = 0
    list_filter_submit = True
    actions_on_bottom = False

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Search where there is a term; each page says in ``searched`` what it finds, by columns that have an index."""
        term = search_term.strip()
        return (self.searched(queryset, term) if term else queryset), False

    def searched(self, queryset: Any, term: str) -> Any:
        """Return the rows that a term finds."""
        return queryset

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **options: Any) -> Any:
        """Accept plain ids."""
        return super().changeform_view(request, _quoted(object_id), *args, **options)

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any, **options: Any) -> Any:
        """Accept plain ids."""
        return super().delete_view(request, _quoted(object_id), *args, **options)

    def history_view(self, request: HttpRequest, object_id: str, *args: Any, **options: Any) -> Any:
        """Accept plain ids."""
        return super().history_view(request, _quoted(object_id), *args, **options)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _without_styles(contents: str) -> SafeString:
    """Take style attributes out of markup; in text, quotation marks are escaped, so none of it is taken for one."""
    return mark_safe(STYLE.sub("", contents))  # noqa: S308 - less of what was safe


def _quoted(object_id: Any) -> Any:
    """Return an id of an address as Django expects it, which would decode the ``_22`` of a plain ``bln_22…``."""
    return quote(object_id) if object_id is not None and quote("_") not in object_id else object_id


def _within_mode(name: str, permitted: Callable[..., bool]) -> Callable[..., bool]:
    @wraps(permitted)
    def permitted_here(page: LedgerModelAdmin, request: HttpRequest, *given: Any, **named: Any) -> bool:
        needed = page.needs_else.get(name, page.needs)
        return (needed is None or may(needed)) and permitted(page, request, *given, **named)

    return permitted_here


def _there(queryset: models.QuerySet[Any], keys: list[str]) -> int:
    """Return how many of these keys exist; 0 where one of them cannot be a key."""
    try:
        return queryset.filter(pk__in=keys).count()
    except (ValueError, ValidationError):
        return 0


class CurrencyFilter(TextFilter):  # type: ignore[misc]  # unfold has no type hints
    """Narrows a list to one currency, which is typed in because listing those in use would scan the table."""

    title = "currency"
    parameter_name = "currency"

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """Compare whole codes, as they are stored."""
        wanted = (self.value() or "").strip()
        return queryset.filter(currency=wanted) if wanted else queryset


class DaysFilter(RangeDateFilter):  # type: ignore[misc]  # unfold has no type hints
    """Narrows a list to days in UTC, first and last included; invalid dates are ignored."""

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """Compare instants, so that their index can be used."""
        first = parse_date_str(self.used_parameters.get(f"{self.field_path}_from"))
        last = parse_date_str(self.used_parameters.get(f"{self.field_path}_to"))
        if first:
            queryset = queryset.filter(**{f"{self.field_path}__gte": datetime.combine(first, time(), UTC)})
        if last and last < date.max:
            end = datetime.combine(last, time(), UTC) + timedelta(days=1)
            queryset = queryset.filter(**{f"{self.field_path}__lt": end})
        return queryset


def column(title: str, shown: Callable[[Any], Any], **options: Any) -> Any:
    """Return a column that shows what ``shown`` makes of a row."""
    return display(description=title, **options)(lambda self, row: shown(row))


def moment(field: str, title: str, **options: Any) -> Any:
    """Return a column that shows an instant of a row."""
    return column(title, lambda row: instant(getattr(row, field)), **options)


def allowed(permission: str) -> Callable[..., bool]:
    """Return what answers whether a user may do something, by one permission alone."""

    def has_permission(self: Any, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(permission)

    has_permission.permission = permission  # type: ignore[attr-defined]  # for the page that says what is missing
    return has_permission


def link(row: models.Model, text: str | None = None) -> SafeString:
    """Return a link to the page of a row."""
    return format_html('<a class="text-link" href="{}">{}</a>', url_of(row), text or str(row))
