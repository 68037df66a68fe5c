"""Lists of the back-office: how many rows they have, and what is worked out once for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from unfold.templatetags import unfold_list
from unfold.views import ChangeList

from balances.backoffice import exporting
from balances.ground import Statement

if TYPE_CHECKING:
    Pages = Paginator[Any]
else:
    Pages = Paginator

ESTIMATED_ROWS = Statement.beside(__file__, "estimated_rows.sql")
COUNTED = 10_000
"""Rows that are counted exactly; beyond that, a page shows a lower bound or an estimate."""


def url_of(row: models.Model) -> str:
    """Return the address of the page of a row."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


class EstimatingPaginator(Pages):
    """Counts few rows exactly and never many: counting a million for each view would take longer than the page."""

    template_name = "admin/balances/pagination.html"
    counted = COUNTED

    @cached_property
    def count(self) -> int:
        """Return the number of rows; beyond ``counted``, that bound if filtered, else the planner's estimate."""
        rows: models.QuerySet[Any] = self.object_list  # type: ignore[assignment]
        counted = rows.order_by()[: self.counted + 1].count()
        if counted <= self.counted:
            return counted
        return self.counted if rows.query.where else max(self._estimate(rows), self.counted)

    @cached_property
    def num_pages(self) -> int:
        """Return how many pages can be opened, which is limited because a far one reads all rows before it."""
        return min(super().num_pages, self.counted // self.per_page)

    @property
    def count_in_words(self) -> str:
        """Return the count in words: exact, at least, or about."""
        rows: models.QuerySet[Any] = self.object_list  # type: ignore[assignment]
        if self.count < self.counted:
            return str(self.count)
        return f"more than {self.counted:,}" if rows.query.where else f"about {self.count:,}"

    def _estimate(self, rows: models.QuerySet[Any]) -> int:
        return int(ESTIMATED_ROWS.rows(table_name=rows.model._meta.db_table)[0]["estimate"])


class ShortPaginator(EstimatingPaginator):
    """Counts a list that works something out for each row."""

    counted = 1_000


class QuietChangeList(ChangeList):  # type: ignore[misc]  # unfold has no type hints
    """A list whose heading does not repeat the count, which the foot of the page shows with its accuracy."""

    def get_results(self, request: HttpRequest) -> None:
        """Set the full count to the filtered one, so that the heading shows neither."""
        super().get_results(request)
        self.full_result_count = self.result_count
        precisions = self.model_admin.precisions()
        for row in self.result_list:
            row.precisions = precisions

    @property
    def exports(self) -> list[tuple[str, str]]:
        """Return the kinds of files that this list can be had as, each with its address."""
        name, query = f"admin:{self.opts.app_label}_{self.opts.model_name}_export", self.get_query_string(remove=["p"])
        return [(kind.upper(), reverse(f"{name}_{kind}") + query) for kind in exporting.KINDS]

    def url_for_result(self, result: models.Model) -> str:
        """Return an address with the plain id, without the admin's own quoting."""
        return url_of(result)


HEADERS = unfold_list.result_headers


def _headers(cl: Any) -> list[dict[str, Any]]:
    """Return the headers of a list, which unfold works out for each row again: a fifth of the time of a page."""
    if "headers" not in vars(cl):
        cl.headers = list(HEADERS(cl))
    found: list[dict[str, Any]] = cl.headers
    return found


unfold_list.result_headers = _headers
