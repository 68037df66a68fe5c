"""Imports in the back-office: upload, preview, confirm or discard, and the list of past imports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from balances.backoffice import auditing
from balances.backoffice.pages import DaysFilter, LedgerModelAdmin, column, display, link, moment, url_of
from balances.backoffice.upload_forms import CHOICES, UploadForm, request_of
from balances.ground import LedgerError, adoption
from balances.importing import ImportRefused
from balances.instructing import ADDED_UP, require_within_bounds, why_second_person
from balances.keys import is_same_person
from balances.models import Ledger, Upload, now
from balances.uploads import service

STATE_COLOURS = {
    Upload.State.PREVIEWED: "warning",
    Upload.State.IMPORTED: "success",
    Upload.State.DISCARDED: "info",
}
SECTIONS = (
    ("Files", "", ("balances", "transactions", "assertions", "statement")),
    (
        "CSV",
        "how the files are written",
        (
            "totals",
            "opening_from",
            "delimiter",
            "encoding",
            "skip_lines",
            "decimal",
            "thousands",
            "units",
            "precision",
            "currency",
            "time_zone",
            "date_format",
            "map",
            "ignore",
        ),
    ),
    ("Bank statement or journal", "", ("format", "counterpart", "account", "references")),
)
"""The sections of the form: title, subtitle and fields."""


def _require_no_second_person(upload: Upload, actor: str) -> None:
    """Refuse to add to a ledger that is in use what a person may not move alone. Raises ``ImportRefused``.

    What the same person added so within 24 hours counts with it. A ledger that an import begins is another matter.
    """
    if not upload.options.get("append"):
        return
    recent = Upload.objects.filter(state=Upload.State.IMPORTED, ended_at__gt=now() - ADDED_UP)
    added = [each for each in recent if each.options.get("append") and is_same_person(each.ended_by, actor)]
    units = Counter[str]()
    for each in (*added, upload):
        for moved in each.report["sums"]:
            units[moved["currency"]] += int(moved["units"])
    for currency in {moved["currency"] for moved in upload.report["sums"]}:
        try:
            require_within_bounds(currency, units[currency])
        except LedgerError as refusal:
            raise ImportRefused(refusal.message.rstrip(".")) from refusal
        if why := why_second_person(currency, units[currency], actor):
            raise ImportRefused(f"{why} An import on a page has none: ask for it by hand, or import it at the shell")


@admin.register(Upload)
class UploadAdmin(LedgerModelAdmin):
    """Imports, which are uploaded, confirmed and discarded by a permission of their own."""

    filled_by = "Upload the files of a ledger to import them."

    change_form_template = "admin/uploads/upload_change_form.html"
    list_display = ("uploaded", "ledger_page", "state_label", "file_names", "came_in", "who")
    list_filter = (("state", ChoicesDropdownFilter), ("uploaded_at", DaysFilter))
    search_fields = ("upload_id",)
    search_help_text = "Whole id of an import, or the name of its ledger"
    sortable_by = ("uploaded",)
    ordering = ("-uploaded_at", "-upload_id")
    fieldsets = (
        (
            "Import",
            {
                "fields": (
                    ("ledger_page", "state"),
                    ("uploaded", "uploaded_by"),
                    ("ended", "who_ended"),
                    ("file_names", "upload_id"),
                    "options_in_words",
                )
            },
        ),
    )

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by the whole id, or by the whole name of the ledger."""
        return queryset.filter(pk=term) if term.startswith("imp_") else queryset.filter(ledger_name=term)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return adoption() is None and request.user.has_perm("uploads.import_ledger")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request) or super().has_view_permission(request, obj)

    def get_urls(self) -> list[Any]:
        """Add the routes of the buttons."""
        buttons = (("confirm", self._confirm), ("discard", self._discard))
        return [*(self._route(name, press) for name, press in buttons), *super().get_urls()]

    def _route(self, name: str, press: Callable[[HttpRequest, str], None]) -> Any:
        def posted(request: HttpRequest, upload_id: str) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            if not self.has_add_permission(request):
                raise PermissionDenied
            try:
                press(request, upload_id)
            except ImportRefused as refusal:
                self.message_user(request, f"{refusal}. Nothing was imported.", messages.ERROR)
            found = Upload.objects.filter(pk=upload_id).first()
            return HttpResponseRedirect(url_of(found) if found else "../../")

        view = self.admin_site.admin_view(posted)
        return path(f"<str:upload_id>/{name}/", view, name=f"uploads_upload_{name}")

    def _confirm(self, request: HttpRequest, upload_id: str) -> None:
        upload = Upload.objects.filter(pk=upload_id).first()
        if upload is None:
            raise ImportRefused("There is no such import")
        _require_no_second_person(upload, request.user.get_username())
        with transaction.atomic():
            upload = service.confirm(
                upload_id=upload_id,
                fingerprint=request.POST.get("fingerprint", ""),
                ask=partial(request_of, upload.options),
                actor=request.user.get_username(),
            )
            auditing.acted(request, [upload], f"Imported into ledger {upload.ledger_name}.")
        done = f"Imported into ledger {upload.ledger_name}."
        if upload.report["failing"]:
            done = f"{done} {upload.report['failing']} of {upload.report['asserted']} stated balances fail."
        level = messages.WARNING if upload.report["failing"] else messages.SUCCESS
        self.message_user(request, done, level)

    def _discard(self, request: HttpRequest, upload_id: str) -> None:
        service.discard(upload_id=upload_id, actor=request.user.get_username())
        self.message_user(request, "The files were discarded. Nothing was imported.", messages.SUCCESS)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for files, try them, and show the preview."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
        if form.is_valid():
            options = form.options()
            try:
                upload = service.try_out(
                    files=form.uploaded(),
                    options=options,
                    ledger=options["ledger"],
                    ask=partial(request_of, options),
                    actor=request.user.get_username(),
                )
            except ImportRefused as refusal:
                form.add_error(None, f"{refusal}. Nothing was imported.")
            else:
                return HttpResponseRedirect(url_of(upload))
        request.current_app = self.admin_site.name
        sections = [(title, beside, form.fields_of(*names)) for title, beside, names in SECTIONS]
        context = self.admin_site.each_context(request) | {
            "opts": self.model._meta,
            "media": self.media,
            "title": "Import",
            "form": form,
            "sections": sections,
        }
        return TemplateResponse(request, "admin/uploads/upload_new.html", context)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Add the report of the trial or the import, and whether the user may import."""
        upload = context["original"]
        context["is_waiting"] = upload.state == Upload.State.PREVIEWED
        context["may_import"] = context["is_waiting"] and self.has_add_permission(request)
        totals = [
            {**each, **{side: int(each[side]) for side in ("credit", "debit", "net")}}
            for each in upload.report.get("totals", ())
        ]
        sums = [{**each, "units": int(each["units"])} for each in upload.report.get("sums", ())]
        context["report"] = {**upload.report, "totals": totals, "sums": sums}
        context["not_listed"] = upload.report.get("asserted", 0) - len(upload.report.get("assertions", ()))
        return super().render_change_form(request, context, *args, **options)

    uploaded = moment("uploaded_at", "Uploaded (UTC)", ordering="uploaded_at")
    ended = moment("ended_at", "Imported or discarded (UTC)")

    @display(description="Ledger")
    def ledger_page(self, upload: Upload) -> SafeString | str:
        ledger = Ledger.objects.filter(pk=upload.ledger_id).first() if upload.ledger_id else None
        return link(ledger) if ledger else upload.ledger_name

    state_label = column("State", lambda upload: (upload.state, upload.get_state_display()), label=STATE_COLOURS)

    @display(description="Files")
    def file_names(self, upload: Upload) -> str:
        return ", ".join(f"{each['name']} ({each['bytes']:,} bytes)" for each in upload.files)

    @display(description="Balances and transactions")
    def came_in(self, upload: Upload) -> str:
        return f"{upload.report.get('balances', 0):,} / {upload.report.get('transactions', 0):,}"

    who = column("By", lambda upload: upload.uploaded_by)

    @display(description="Imported or discarded by")
    def who_ended(self, upload: Upload) -> str:
        """Show who did; a dash where the files expired."""
        return upload.ended_by or "–"

    @display(description="Options")
    def options_in_words(self, upload: Upload) -> str:
        options = [
            f"{name}: {value}"
            for name, value in upload.options.items()
            if name != "ledger" and value not in _usual(name)
        ]
        return "; ".join(options) or "–"


def _usual(name: str) -> tuple[Any, ...]:
    """Return the default values of an option."""
    return ("", False, None, *(choice for choice, _ in CHOICES.get(name, ())[:1]))
