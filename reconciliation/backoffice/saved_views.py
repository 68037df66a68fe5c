"""The menu of saved views above each list: where it posts to, and what it shows."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse

from balances.ground import LedgerError
from reconciliation.casework import delete_view, kept_of, save_view, views_of

SHARE = "reconciliation.share_savedview"


class ViewForm(forms.Form):
    """What the menu sends."""

    listed = forms.CharField()
    query = forms.CharField(required=False)
    name = forms.CharField(required=False)
    shared = forms.BooleanField(required=False)
    view_id = forms.CharField(required=False)


def saved(request: HttpRequest) -> HttpResponse:
    """Save the filters of a list as a view, or delete one, for those who may see the list; then go back to it."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    form = ViewForm(request.POST)
    form.is_valid()
    given = form.cleaned_data
    page = _page(request, given.get("listed", ""))
    owner, listed = request.user.get_username(), page.model._meta.label_lower
    if given["shared"] and not given["view_id"] and not request.user.has_perm(SHARE):
        raise PermissionDenied
    query = kept_of(given["query"])
    try:
        if given["view_id"]:
            said = f"The view “{delete_view(given['view_id'], listed, owner).name}” is deleted."
        else:
            view = save_view(listed, owner, given["name"], query, shared=given["shared"])
            said = f"The view “{view.name}” is saved{' for all staff' if view.shared else ''}."
        page.message_user(request, said, messages.SUCCESS)
    except LedgerError as refusal:
        page.message_user(request, f"Nothing was done. {refusal.message}.", messages.ERROR)
    return HttpResponseRedirect(f"{_list_of(page)}?{query}")


def menu(request: HttpRequest, changelist: Any) -> dict[str, Any]:
    """Return the views of a list, and which of them is shown."""
    owner = request.user.get_username()
    listed = changelist.model._meta.label_lower
    now_shown = kept_of(request.GET.urlencode())
    views = views_of(listed, owner)
    return {
        "views": [(view, view.query == now_shown, view.owner == owner) for view in views],
        "chosen": next((view for view in views if view.query == now_shown), None),
        "listed": listed,
        "query": now_shown,
        "may_share": request.user.has_perm(SHARE),
    }


def _page(request: HttpRequest, listed: str) -> Any:
    for model, page in admin.site._registry.items():
        if model._meta.label_lower == listed:
            if not page.has_view_permission(request):
                raise PermissionDenied
            return page
    raise Http404("There is no such list.")


def _list_of(page: Any) -> str:
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
